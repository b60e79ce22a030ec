//! The loop that carries out what `rollout` decides, and what each step does to a host.
//!
//! Async, but without a socket, a file or a clock of its own: all that comes through the ports.

mod challenge;
mod driver;
mod fleet;
mod handshake;
mod host;
mod memory;
mod read;
mod target;
#[cfg(test)]
mod testing;

pub use challenge::PushedChallenge;
pub use driver::{Driven, Steering, drive};
pub use fleet::Fleet;
pub use handshake::{Proof, prove_again};
pub use read::{Surveyor, read_status, rehearse, scan};
pub use target::{StoredVersions, Target};
