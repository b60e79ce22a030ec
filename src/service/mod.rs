//! How what serves a certificate is tested, reloaded and read back: settings, shell text, and dialogues taken
//! apart. Nothing is run or dialled here.
//!
//! A service's text defines three functions, each of which succeeds, or says what is wrong and fails:
//! `hook_facts` (can it be reloaded as things are?), `hook_test` (would it take what is on disk?) and
//! `hook_reload` (make it take it, and prove that it did); and where it can, `hook_reads` (which files does it name?). What a script cannot do, since it takes a dialogue with a
//! socket, is in [`runtime_api`], [`master`] and [`admin`]; the engine holds the dialogues.

mod actions;
pub mod admin;
mod envoy;
mod haproxy;
mod held;
pub mod master;
pub mod runtime_api;
mod spec;

pub use envoy::{AdminAddress, Envoy, EnvoySecret};
pub use haproxy::{Haproxy, HaproxyCertificate, HaproxyReload};
pub use held::Held;
pub use runtime_api::RuntimeError;
pub use spec::{Nginx, ServiceSpec};

/// Shell text that carries standard input to the socket `$socket` and its answer back, within `$patience` seconds.
pub const RELAY: &str = include_str!("scripts/relay.sh");
