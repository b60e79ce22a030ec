//! How what serves a certificate is tested and reloaded: settings and shell text, never run here.
//!
//! A service's text defines three functions, each of which succeeds, or says what is wrong and fails:
//! `hook_facts` (can it be reloaded as things are?), `hook_test` (would it take what is on disk?) and
//! `hook_reload` (make it take it, and prove that it did).

mod spec;

pub use spec::{Nginx, ServiceSpec};
