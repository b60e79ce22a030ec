//! Ports to the world, and the loop that carries out what `rollout` decides.
//!
//! Async, but without a socket, a file or a clock of its own.

pub mod ports;
