//! Disposable fleets of real servers: sshd, nginx, HAProxy, Envoy, Pebble and its DNS, as ordinary processes of any user, on
//! loopback addresses and free ports. They serve the demo, practice, and the tests.

mod authority;
mod envoy;
mod fleet;
mod front;
mod handle;
mod haproxy;
mod nginx;
mod pebble;
mod process;
mod reaper;
mod sshd;

use std::path::PathBuf;

pub use authority::Authority;
pub use envoy::{EnvoyOptions, EnvoyServer};
pub use fleet::{Break, Lab, LabHost, LabOptions};
pub use front::{FrontHost, FrontServer};
pub use handle::{LabHandle, ServerStatus};
pub use haproxy::{HaproxyOptions, HaproxyServer};
pub use nginx::{NginxOptions, NginxServer};
pub use pebble::Pebble;
pub use process::{Process, free_port, wait_for};
pub use sshd::{Sshd, UserKey, knows_penalties};

/// Why a lab could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A server's program is missing.
    #[error("find `{program}`: install it with `sh tests/setup.sh`")]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// A file, folder or process.
    #[error("{act}")]
    Io {
        /// What was tried.
        act: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A server did not come up.
    #[error("start {server}: {reason}")]
    NotReady {
        /// Which one.
        server: String,
        /// The last of what it said.
        reason: String,
    },
    /// OpenSSL.
    #[error("make a certificate")]
    Certificate(#[from] openssl::error::ErrorStack),
    /// A key pair.
    #[error("make an SSH key: {0}")]
    Key(String),
    /// There is a lab in the folder already.
    #[error("start a lab in `{}`: there is one already; `certwave lab down` ends it", .0.display())]
    Exists(PathBuf),
    /// There is no lab in the folder.
    #[error("find a lab in `{}`: `certwave lab up` starts one", .0.display())]
    NoLab(PathBuf),
}

impl LabError {
    fn io(act: impl Into<String>) -> impl FnOnce(std::io::Error) -> LabError {
        let act = act.into();
        move |source| LabError::Io { act, source }
    }
}
