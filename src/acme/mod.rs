//! Certificates from an ACME server (RFC 8555): account, order, challenge, and a new key for each.

mod account;
mod error;
mod key;
mod listener;
mod order;
mod placed;
mod request;
mod revoke;
mod transport;

pub use error::IssueError;
pub use key::generate as generate_key;
pub use listener::Listener;
pub use order::{Issued, Progress, issue};
pub use placed::PlacedOrder;
pub use request::Request;
pub use revoke::revoke;

#[cfg(test)]
mod testing;
