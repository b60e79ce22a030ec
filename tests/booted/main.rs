//! Rollouts to whole Debian hosts, each booted by its own systemd: `cargo test --test booted -- --ignored`, as root, after
//! `sh tests/setup.sh booted`. Nothing is skipped: what is missing fails, and says how to get it.

// What Clippy allows inside `#[test]` alone holds for their helpers as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod authority;
mod cgroup;
mod dead_man;
mod fleet;
mod host;
mod logins;
mod readers;
mod reboots;
mod recipes;
mod restarts;
#[path = "../live/running.rs"]
#[allow(dead_code, reason = "shared with the live tests")]
mod running;
mod support;
mod tree;
