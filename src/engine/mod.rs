//! Ports to the world, and the loop that carries out what `rollout` decides.
//!
//! Async, but without a socket, a file or a clock of its own.

mod driver;
pub mod ports;

pub use driver::{Driven, Effects, SoakWatch, Watched, drive};
