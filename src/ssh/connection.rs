//! The connection.

use std::future::Future;
use std::time::Duration;

use russh::Disconnect;
use tokio::time::timeout;

use crate::model::HostPath;
use crate::ports::{BoxedStream, Connection, RemoteCommand, RemoteError, RemoteOutput};
use crate::ssh::held_command::HeldCommand;
use crate::ssh::transport::Transport;
use crate::ssh::{exec, held_command, tunnel};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// An open, logged-in connection. Dropping it cuts it at once; a command that runs is not stopped by
/// that, but its standard input ends.
pub struct SshConnection {
    pub(super) transport: Transport,
    /// How long a tunnel may take to open.
    pub(super) patience: Duration,
}

impl Connection for SshConnection {
    type Held = HeldCommand;

    fn exec(&self, command: RemoteCommand) -> impl Future<Output = Result<RemoteOutput, RemoteError>> + Send {
        exec::exec(&self.transport, command)
    }

    fn hold(
        &self,
        command: RemoteCommand,
    ) -> impl Future<Output = Result<Result<(String, HeldCommand), RemoteOutput>, RemoteError>> + Send {
        held_command::hold(&self.transport, command)
    }

    async fn tunnel(&self, address: &str, port: u16) -> Result<BoxedStream, RemoteError> {
        tunnel::open(&self.transport, address, port, self.patience).await
    }

    async fn socket(&self, path: &HostPath) -> Result<BoxedStream, RemoteError> {
        tunnel::open_socket(&self.transport, path, self.patience).await
    }

    async fn close(self) {
        let goodbye = async {
            if self.transport.handle.disconnect(Disconnect::ByApplication, "", "en").await.is_ok() {
                self.transport.link.loss().await;
            }
        };
        // Whether it was heard or not: what is dropped now is cut.
        let _ = timeout(GOODBYE, goodbye).await;
    }
}
