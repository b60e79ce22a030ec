//! The SSH adapter against real sshd.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing, and so do its helpers")]

#[path = "../common/processes.rs"]
mod processes;
#[path = "../common/require.rs"]
mod require;

mod commands;
mod connecting;
mod ending;
mod held;
mod host_keys;
mod login;
mod support;
mod tunnels;
