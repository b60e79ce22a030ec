//! The program against real servers: sshd, nginx and Pebble, as processes of whoever runs the tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.
#![allow(clippy::zombie_processes)] // A process that is waited for by its caller looks like one to Clippy.

#[path = "../common/processes.rs"]
mod processes;
#[path = "../common/require.rs"]
mod require;

mod hold;
mod running;
mod support;
mod watch;

mod faults;
mod secrets;
mod services;
mod waves;
