//! The scripts of `install` and `service`, run for real by dash, bash and busybox's shell.

// What Clippy allows inside `#[test]` alone holds for their helpers as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/require.rs"]
mod require;

mod archive;
mod attend;
mod awks;
mod dead_man;
mod durable;
mod killed;
mod killed_services;
mod lock;
mod nginx;
mod refusals;
mod rehearsal;
mod relay;
mod session;
mod sleepers;
mod snapshot;
mod status;
mod steps;
mod support;
mod twice;
