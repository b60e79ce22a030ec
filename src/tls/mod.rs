//! Handshakes: what is served, never resumed, and never refused before it was seen.

mod alert;
mod any_chain;
mod handshake;
mod held;
mod misfit;
mod modern;
mod old;
mod probe;
mod roots;
mod starttls;
#[cfg(test)]
mod testing;

pub use held::HeldConnection;
pub use probe::{TlsError, TlsProber};
pub use starttls::upgrade;
