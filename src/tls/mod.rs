//! Handshakes: what is served, never resumed, and never refused before it was seen.

mod alert;
mod any_chain;
mod burst;
mod client_request;
mod error;
mod handshake;
mod held_request;
mod incompatible;
mod openssl;
mod pace;
mod probe;
mod roots;
mod rustls;
mod starttls;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use error::TlsError;
pub use held_request::HeldConnection;
pub use probe::TlsProber;
pub use starttls::upgrade;
