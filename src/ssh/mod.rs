//! The ports [`Connector`](crate::engine::ports::Connector) and
//! [`Connection`](crate::engine::ports::Connection) over SSH: one connection a host, shared by all its
//! steps. Host keys are always verified, against OpenSSH's `known_hosts`, which is never written.

mod auth;
mod client;
mod config;
mod door;
mod exec;
mod held;
mod host_key;
mod key_file;
mod known_hosts;
mod link;
mod tunnel;

pub use client::{SshConnection, SshConnector};
pub use config::SshOptions;
pub use held::HeldCommand;
