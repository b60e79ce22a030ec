//! The ports [`Connector`](crate::ports::Connector) and
//! [`Connection`](crate::ports::Connection) over SSH: one connection a host, shared by all its
//! steps. Host keys are always verified, against OpenSSH's `known_hosts`, which is never written.

mod auth;
mod client;
mod config;
mod connection;
mod exec;
mod held_command;
mod host_key;
mod key_file;
mod known_hosts;
mod link;
mod login_limiter;
mod sessions;
mod transport;
mod tunnel;

pub use client::SshConnector;
pub use config::SshOptions;
pub use connection::SshConnection;
pub use held_command::HeldCommand;
