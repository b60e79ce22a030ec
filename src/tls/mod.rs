//! Handshakes with OpenSSL: what is served, never resumed, and never refused before it was seen.

mod held;
mod probe;
mod roots;
mod starttls;

pub use held::HeldConnection;
pub use probe::{TlsError, TlsProber};
pub use starttls::upgrade;
