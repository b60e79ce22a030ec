//! The program against real servers: sshd, nginx and Pebble, as processes of whoever runs the tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.
#![allow(clippy::zombie_processes)] // A process that is waited for by its caller looks like one to Clippy.

#[path = "../common/require.rs"]
mod require;

mod bad_input;
mod balancer;
mod breakage;
mod crossed;
mod dead_man;
mod demo;
mod envoy;
mod faults_clock;
mod faults_controller;
mod faults_host;
mod faults_link;
mod findings;
mod haproxy;
mod hold;
mod interrupted;
mod killed;
mod matrix;
mod others;
mod plan;
mod proxy;
mod rebooted;
mod refused;
mod resume;
mod returning;
mod revoked;
mod rollback;
mod rollout;
mod running;
mod scopes;
mod secrets;
mod served;
mod starttls;
mod status;
mod steer;
mod sudo;
mod support;
mod terminal;
mod tmpfs;
mod verify;
mod watch;
