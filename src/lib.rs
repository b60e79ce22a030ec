//! certwave changes a TLS certificate on a whole fleet without anybody noticing: it issues once, rolls
//! out in waves over SSH, proves every host by live handshakes, and rolls back where the proof fails.
//!
//! Modules stand on floors, and name only modules on lower floors; `docs/architecture.md` says why and
//! `tests/architecture.rs` holds it.

pub mod model;

pub mod certificate;
pub mod inventory;
pub mod playbook;
pub mod yaml;

pub mod gate;
pub mod install;
pub mod plan;
pub mod renewal;
pub mod service;
pub mod verify;

pub mod rollout;
pub mod status;

pub mod ledger;
pub mod preview;

pub mod ports;

pub mod bounded;

pub mod engine;

pub mod acme;
pub mod clock;
pub mod lab;
pub mod report;
pub mod ssh;
pub mod store;
pub mod tls;

pub mod operations;

pub mod cli;
