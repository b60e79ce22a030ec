//! The program against real servers: sshd, nginx and Pebble, as processes of whoever runs the tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.
#![allow(clippy::zombie_processes)] // A process that is waited for by its caller looks like one to Clippy.

mod bad_input;
mod balancer;
mod breakage;
mod crossed;
mod dead_man;
mod demo;
mod envoy;
mod findings;
mod haproxy;
mod interrupted;
mod killed;
mod matrix;
mod others;
mod resume;
mod returning;
mod revoked;
mod rollback;
mod rollout;
mod served;
mod starttls;
mod status;
mod steer;
mod sudo;
mod support;
mod verify;
mod watch;
