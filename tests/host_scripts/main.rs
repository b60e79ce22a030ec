//! The scripts of `install` and `service`, run for real by dash, bash and busybox's shell.

// What Clippy allows inside `#[test]` alone holds for their helpers as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/require.rs"]
mod require;

mod attend;
mod awks;
mod copies;
mod dead_man;
mod dead_man_boots;
mod dead_man_fires;
mod dead_man_keeper;
mod dead_man_log;
mod durable;
mod envoy;
mod exposed;
mod hanging;
mod haproxy;
mod haproxy_names;
mod history;
mod inspect;
mod killed;
mod killed_services;
mod lasting;
mod leftovers;
mod listeners;
mod lock;
mod managed;
mod nginx;
mod nginx_starved;
mod nginx_traceless;
mod old_processes;
mod own_words;
mod ownership;
mod planted;
mod planted_app;
mod private;
mod readers;
mod refusals;
mod rehearsal;
mod relay;
mod running;
mod services;
mod session;
mod shells;
mod sleepers;
mod snapshot;
mod status;
mod steps;
mod support;
mod twice;
mod uploads;
mod wordless;
