//! The socket under a connection, and what is known of its end.
//!
//! russh's session task owns the stream and cannot be stopped from outside: a connect that timed out
//! would keep its socket for as long as the peer likes. So the socket is shared, and shut down.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client::{DisconnectReason, Handler};
use russh::keys::PublicKeyOrCertificate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::ssh::host_key::{HostKeyRefused, HostKeys};

/// How much of a peer's first words is kept, in bytes.
const GREETING: usize = 256;

/// Why russh's session ended before it was ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{0}")]
    Ssh(#[from] russh::Error),
    #[error("{0}")]
    HostKey(HostKeyRefused),
}

/// What russh calls back.
pub(super) struct SshHandler {
    pub(super) host_keys: Arc<HostKeys>,
    pub(super) loss: watch::Sender<Option<Loss>>,
}

impl Handler for SshHandler {
    type Error = SessionError;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, SessionError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.host_keys.judge(offered, now).map_err(SessionError::HostKey)?;
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SessionError>) -> Result<(), SessionError> {
        self.loss.send_replace(Some(Loss::from(&reason)));
        Ok(())
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Loss {
    /// It said goodbye (RFC 4253, section 11.1): its code and its words.
    #[error("the host ended it: {message}")]
    Said { code: u32, message: String },
    /// It offered no way to log in.
    #[error("the host accepts no way to log in")]
    NoMethods,
    /// Keepalives went unanswered.
    #[error("the host fell silent")]
    Silent,
    /// The stream ended or broke.
    #[error("the connection broke")]
    Broke,
    /// The stream ended or broke, for that reason.
    #[error("the connection broke: {0}")]
    Because(String),
}

impl From<&DisconnectReason<SessionError>> for Loss {
    fn from(reason: &DisconnectReason<SessionError>) -> Self {
        use russh::Error;
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => Loss::Said {
                // The codes are those of RFC 4253; russh's enum is numbered by them.
                code: match info.reason_code {
                    russh::Disconnect::ProtocolError => 2,
                    russh::Disconnect::NoMoreAuthMethodsAvailable => 14,
                    _ => 0,
                },
                message: info.message.trim().to_owned(),
            },
            DisconnectReason::Error(SessionError::Ssh(error)) => match error {
                Error::NoAuthMethod => Loss::NoMethods,
                Error::KeepaliveTimeout | Error::InactivityTimeout => Loss::Silent,
                Error::HUP | Error::Disconnect => Loss::Broke,
                Error::IO(error) if error.kind() == io::ErrorKind::UnexpectedEof => Loss::Broke,
                other => Loss::Because(other.to_string()),
            },
            DisconnectReason::Error(other) => Loss::Because(other.to_string()),
        }
    }
}

/// Our hold on a connection: cuts it when dropped, whatever russh is doing with it.
pub(super) struct Link {
    socket: Arc<TcpStream>,
    greeting: Arc<Mutex<Vec<u8>>>,
    loss: watch::Receiver<Option<Loss>>,
}

impl Link {
    /// Splits a socket into our hold on it, the stream for russh, and where its handler tells the loss.
    pub(super) fn new(socket: TcpStream) -> (Self, Wire, watch::Sender<Option<Loss>>) {
        let socket = Arc::new(socket);
        let greeting = Arc::new(Mutex::new(Vec::new()));
        let (tell, loss) = watch::channel(None);
        let wire = Wire { socket: socket.clone(), greeting: Some(greeting.clone()) };
        (Self { socket, greeting, loss }, wire, tell)
    }

    /// Ends once the connection has ended, with the reason.
    pub(super) fn loss(&self) -> impl Future<Output = Loss> + Send + 'static {
        let mut loss = self.loss.clone();
        async move {
            let known = match loss.wait_for(Option::is_some).await {
                Ok(loss) => loss.clone(),
                Err(_) => None,
            };
            known.unwrap_or(Loss::Broke)
        }
    }

    /// What a peer that is no SSH server, or does not want us, said first: one line of it.
    pub(super) fn greeting(&self) -> Option<String> {
        let bytes = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().next()?.trim();
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        (!line.is_empty() && !line.starts_with("SSH-")).then_some(line)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It fails where the peer was first; then there is nothing left to cut.
        let _ = socket2::SockRef::from(&*self.socket).shutdown(std::net::Shutdown::Both);
    }
}

/// The stream that russh reads and writes.
pub(super) struct Wire {
    socket: Arc<TcpStream>,
    /// None once enough was kept.
    greeting: Option<Arc<Mutex<Vec<u8>>>>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            match self.socket.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    if let Some(greeting) = &self.greeting {
                        let mut kept = greeting.lock().unwrap_or_else(PoisonError::into_inner);
                        let room = GREETING.saturating_sub(kept.len());
                        let filled = buf.filled();
                        let fresh = &filled[filled.len() - read..];
                        kept.extend_from_slice(&fresh[..fresh.len().min(room)]);
                        if kept.len() >= GREETING {
                            drop(kept);
                            self.greeting = None;
                        }
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match self.socket.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An error here would hide the reason that russh ended for, and the peer may be gone already.
        let _ = socket2::SockRef::from(&*self.socket).shutdown(std::net::Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}
