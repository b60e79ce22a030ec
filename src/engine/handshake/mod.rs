//! Handshakes: to prove a host, to notice what clients notice, and to watch a wave.

pub(crate) mod availability;
pub(crate) mod look;
pub(crate) mod names;
pub(crate) mod prove;
mod prove_again;
pub(crate) mod rate;
pub(crate) mod soak;
#[cfg(test)]
mod tests;

pub use prove::Proof;
pub use prove_again::prove_again;
