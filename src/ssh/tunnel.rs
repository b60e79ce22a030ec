//! TCP connections made by the host (`direct-tcpip`).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use russh::Channel;
use russh::ChannelOpenFailure as Failure;
use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::model::{HostPath, visible};
use crate::ports::{BoxedStream, Certainty, RemoteError, RemoteErrorKind};
use crate::ssh::link::Loss;
use crate::ssh::transport::Transport;

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
enum TunnelError {
    #[error(
        "open a tunnel to {to}: sshd forbids it; it needs `AllowTcpForwarding local`, and {to} in `PermitOpen`"
    )]
    Forbidden { to: String },
    #[error("open a tunnel to {to}: the host could not connect there")]
    Refused { to: String },
    #[error("open a tunnel to {to}: the host gave no answer within {limit:?}")]
    Timeout { to: String, limit: Duration },
    #[error("open a tunnel to {to}: {source}")]
    Channel { to: String, source: russh::Error },
    #[error("open a tunnel to {to}: {loss}")]
    Lost { to: String, loss: Loss },
}

impl From<TunnelError> for RemoteError {
    fn from(error: TunnelError) -> Self {
        let kind = match error {
            TunnelError::Forbidden { .. } | TunnelError::Refused { .. } | TunnelError::Channel { .. } => {
                RemoteErrorKind::Protocol
            }
            TunnelError::Timeout { .. } => RemoteErrorKind::Timeout,
            TunnelError::Lost { .. } => RemoteErrorKind::Unreachable,
        };
        Self { certainty: Certainty::NotSent, kind, reason: visible(&error.to_string()) }
    }
}

pub(super) async fn open(
    transport: &Transport,
    address: &str,
    port: u16,
    limit: Duration,
) -> Result<BoxedStream, RemoteError> {
    let to = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    let opening = transport.handle.channel_open_direct_tcpip(address, port.into(), "127.0.0.1", 0);
    opened(transport, to, opening, limit).await
}

/// To a socket on the host.
pub(super) async fn open_socket(
    transport: &Transport,
    path: &HostPath,
    limit: Duration,
) -> Result<BoxedStream, RemoteError> {
    let opening = transport.handle.channel_open_direct_streamlocal(path.as_str());
    opened(transport, path.to_string(), opening, limit).await
}

async fn opened(
    transport: &Transport,
    to: String,
    opening: impl Future<Output = Result<Channel<Msg>, russh::Error>>,
    limit: Duration,
) -> Result<BoxedStream, RemoteError> {
    let channel = match timeout(limit, opening).await {
        Err(_) => return Err(TunnelError::Timeout { to, limit }.into()),
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(Failure::AdministrativelyProhibited))) => {
            return Err(TunnelError::Forbidden { to }.into());
        }
        Ok(Err(russh::Error::ChannelOpenFailure(Failure::ConnectFailed))) => {
            return Err(TunnelError::Refused { to }.into());
        }
        Ok(Err(source @ russh::Error::ChannelOpenFailure(_))) => {
            return Err(TunnelError::Channel { to, source }.into());
        }
        Ok(Err(_)) => return Err(TunnelError::Lost { to, loss: transport.link.loss().await }.into()),
    };
    let tunnel =
        Tunnel { channel: channel.into_stream(), losing: Box::pin(transport.link.loss()), lost: None };
    Ok(Box::new(tunnel))
}

/// A channel that fails once its connection has ended. russh's own would wait for ever to write, and
/// would read the loss as an orderly end.
struct Tunnel {
    channel: ChannelStream<Msg>,
    losing: Pin<Box<dyn Future<Output = Loss> + Send>>,
    lost: Option<Loss>,
}

impl Tunnel {
    fn poll_loss(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if self.lost.is_none()
            && let Poll::Ready(loss) = self.losing.as_mut().poll(cx)
        {
            self.lost = Some(loss);
        }
        let loss = self.lost.as_ref()?;
        Some(io::Error::new(io::ErrorKind::ConnectionAborted, format!("the SSH connection was lost: {loss}")))
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        // What came before the loss is still given.
        ready!(Pin::new(&mut self.channel).poll_read(cx, buf))?;
        if buf.filled().len() == before
            && let Some(error) = self.poll_loss(cx)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.poll_loss(cx) {
            return Poll::Ready(Err(error));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Pin::new(&mut self.channel).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.poll_loss(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.channel).poll_shutdown(cx)
    }
}
