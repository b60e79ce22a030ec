//! What handshakes are taken for while a host is switched, while a wave soaks, and when nothing is under way.

mod availability;
mod look;
mod prove_again;
mod soak;
