//! The scripts of `install` and `service`, run for real by dash, bash and busybox's shell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.

mod archive;
mod killed;
mod lock;
mod nginx;
mod refusals;
mod steps;
mod support;
