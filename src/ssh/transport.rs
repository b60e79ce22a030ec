//! What a connection is to those who open channels on it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use russh::client::Handle;
use tokio::sync::Semaphore;

use crate::ssh::link::{Link, SshHandler};

/// Session channels at once; sshd allows 10 a connection (`MaxSessions`).
const MAX_SESSIONS: usize = 8;

/// A logged-in session, the socket under it, and the channels that are open on it.
pub(super) struct Transport {
    pub(super) handle: Handle<SshHandler>,
    pub(super) link: Link,
    pub(super) sessions: Sessions,
}

/// The session channels of a connection.
pub(super) struct Sessions {
    pub(super) permits: Arc<Semaphore>,
    pub(super) open: Arc<AtomicUsize>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_SESSIONS)), open: Arc::default() }
    }
}
