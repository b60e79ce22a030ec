//! What a rollout will do, as data with no choice left in it.

mod back;
mod check;
mod copies;
mod host_index;
mod pace;
#[allow(clippy::module_inception)] // The plan is the one thing that this room is about.
mod plan;
mod request;
mod resolve;
mod schedule;
mod scripts;
mod service;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::playbook::OnFailure;
pub use check::check;
pub use host_index::{HostIndex, HostIndices, HostRange, PerHost};
pub use plan::{HostPlan, Plan, PlannedService};
pub use request::{
    CertificateRequest, ChallengeHost, PlannedAcme, PlannedChallenge, PlannedFiles, PlannedIssuer,
};
pub use resolve::{Note, Resolved, resolve};
pub use schedule::{Direction, PlannedWindows, Schedule, Undo, WaveSchedule, batches, whole};
pub use scripts::SCRIPT;

#[cfg(test)]
mod tests;
