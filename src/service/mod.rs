//! How what serves a certificate is tested, reloaded and read back: settings, shell text, and dialogues taken
//! apart. Nothing is run or dialled here.
//!
//! Each server has a folder: its settings, its shell text, the words of its dialogues, and what it answers as a
//! [`Service`]. [`ServiceSpec`] lists the servers.
//!
//! A service's text defines three functions, each of which succeeds, or says what is wrong and fails:
//! `hook_facts` (can it be reloaded as things are?), `hook_test` (would it take what is on disk?) and
//! `hook_reload` (make it take it, and prove that it did). Where it can, it defines `hook_reads` (which files does
//! it name, and does it take its configuration?) and `hook_names` (which files, without a test?) as well, `hook_old` (how many of its
//! processes outlive a reload?) and `hook_words` (what does its own log say since the switch?). What takes a dialogue with a socket is in [`runtime_api`], [`master`] and [`admin`]; the
//! engine holds the dialogues.

mod command;
mod dialogue;
mod envoy;
mod haproxy;
mod held;
mod nginx;
#[allow(clippy::module_inception)] // What every server answers is what this room is about.
mod service;
mod spec;
mod way;

pub use command::Command;
pub use dialogue::Dialogue;
pub use envoy::{AdminAddress, Envoy, EnvoySecret, admin};
pub use haproxy::{Haproxy, HaproxyCertificate, HaproxyReload, RuntimeError, master, runtime_api};
pub use held::{Held, Holds};
pub use nginx::Nginx;
pub use service::Service;
pub use spec::ServiceSpec;
pub use way::{ServiceWay, Way};

/// Shell text that carries standard input to the socket `$socket` and its answer back, within `$patience` seconds.
pub const RELAY: &str = include_str!("scripts/relay.sh");

/// Shell text that comes before [`ENTRIES`] where a name is a certificate store's: what the configuration `$config` has for it.
pub const ALIASES: &str = concat!(include_str!("haproxy/names.sh"), "aliases=$(hook_aliases)\n");

/// Shell text that says which of HAProxy's names on standard input lead to one of `$files`.
pub const ENTRIES: &str = include_str!("haproxy/entries.sh");
