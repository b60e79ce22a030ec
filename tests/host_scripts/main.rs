//! The scripts of `install` and `service`, run for real by dash, bash and busybox's shell.

mod archive;
mod killed;
mod lock;
mod nginx;
mod refusals;
mod steps;
mod support;
