//! What each step of a rollout does to one host: one file per step, around [`HostRun`].

mod activate;
mod commit;
mod inspect;
mod limited;
mod own_words;
mod previous;
pub(crate) mod reader;
mod rollback;
mod run;
pub(crate) mod session;
mod stage;
mod staples;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use run::{HostRun, HostSlot, Rollout};
