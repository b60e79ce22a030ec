//! Ports to the world, and the loop that carries out what `rollout` decides.
//!
//! Async, but without a socket, a file or a clock of its own.

mod challenge;
mod driver;
mod envoy;
mod expiry;
mod fleet;
mod glance;
mod haproxy;
mod held;
mod host_reader;
mod memory;
mod pace;
pub mod ports;
mod probe;
mod prove_again;
mod rehearse;
mod session;
mod soak;
mod socket;
mod survey;
mod view;
mod way_back;
mod witness;

pub use challenge::PushedChallenge;
pub use driver::{Driven, Effects, SoakWatch, Steering, Watched, drive};
pub use fleet::{Fleet, Target};
pub use glance::glance;
pub use probe::Proof;
pub use prove_again::prove_again;
pub use rehearse::rehearse;
pub use survey::Surveyor;
pub use view::view;
