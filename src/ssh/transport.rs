//! What a connection is to those who open channels on it.

use russh::client::Handle;

use crate::ssh::link::{Link, SshHandler};
use crate::ssh::sessions::Sessions;

/// A logged-in session, the socket under it, and the channels that are open on it.
pub(super) struct Transport {
    pub(super) handle: Handle<SshHandler>,
    pub(super) link: Link,
    pub(super) sessions: Sessions,
}
