//! Commands on hosts, and streams to them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::inventory::Login;
use crate::model::{HostPath, Secret};

/// A byte stream to an endpoint: a socket, or a tunnel through SSH.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Any [`Stream`].
pub type BoxedStream = Box<dyn Stream>;

/// A command for a host's shell.
#[derive(Debug, Clone)]
pub struct RemoteCommand {
    /// Given to the login shell as it is; holds no secret.
    pub line: String,
    /// Sent to standard input first; holds no secret either.
    pub script: String,
    /// Sent to standard input then, one after the other, and end of file. May hold secrets.
    pub stdin: Vec<Secret>,
    /// After this long it is given up, in doubt.
    pub deadline: Duration,
}

/// How a command on a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOutput {
    /// The exit status; a signal is 128 plus its number, as in a shell.
    pub status: u32,
    /// At most 1 MiB; more is an error.
    pub stdout: Vec<u8>,
    /// At most 1 MiB; more is dropped.
    pub stderr: Vec<u8>,
}

/// Whether anything may have reached the host before a transport failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Nothing was sent: safe to try again.
    NotSent,
    /// The command may have run, in whole or in part: the host is in doubt, and must be inspected.
    MaybeSent,
}

/// Why a host could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RemoteError {
    /// Whether anything may have reached the host.
    pub certainty: Certainty,
    /// What kind of failure it is: decides what follows.
    pub kind: RemoteErrorKind,
    /// In words, with the way out where there is one.
    pub reason: String,
}

/// Kinds of [`RemoteError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteErrorKind {
    /// No connection, or it broke: the network or the host is down.
    Unreachable,
    /// The host's key is not known, has changed, or is revoked. Never retried.
    HostKey,
    /// The login was refused, or there is no key to log in with. Never retried.
    Login,
    /// The host did not finish in time.
    Timeout,
    /// The host refused a channel, or answered out of protocol.
    Protocol,
}

/// Opens connections to hosts.
pub trait Connector: Send + Sync + 'static {
    /// An open connection.
    type Connection: Connection;

    /// Connects, verifies the host key and logs in, with retries where nothing was sent.
    ///
    /// # Errors
    /// Always with [`Certainty::NotSent`]: no command was sent yet.
    fn connect(&self, login: &Login) -> impl Future<Output = Result<Self::Connection, RemoteError>> + Send;
}

impl<C: Connector> Connector for Arc<C> {
    type Connection = C::Connection;

    fn connect(&self, login: &Login) -> impl Future<Output = Result<Self::Connection, RemoteError>> + Send {
        self.as_ref().connect(login)
    }
}

/// One connection to one host, used for all its steps.
pub trait Connection: Send + Sync + 'static {
    /// A command that stays on the host for as long as this value lives.
    type Held: HeldCommand;

    /// Runs a command to its end. A non-zero exit status is not an error here.
    ///
    /// # Errors
    /// When the transport failed, the deadline passed, or the answer was too long.
    fn exec(&self, command: RemoteCommand) -> impl Future<Output = Result<RemoteOutput, RemoteError>> + Send;

    /// Starts a command that first prints a line and then runs until its standard input ends;
    /// gives the line and a value that ends the input when dropped. A command that ends before it
    /// printed a line gives its output instead.
    ///
    /// # Errors
    /// As [`Connection::exec`].
    fn hold(
        &self,
        command: RemoteCommand,
    ) -> impl Future<Output = Result<Result<(String, Self::Held), RemoteOutput>, RemoteError>> + Send;

    /// A TCP connection made by the host (RFC 4254, section 7.2).
    ///
    /// # Errors
    /// When the host may not or cannot connect there.
    fn tunnel(
        &self,
        address: &str,
        port: u16,
    ) -> impl Future<Output = Result<BoxedStream, RemoteError>> + Send;

    /// A connection to a socket on the host, made by sshd as the login's user
    /// (`direct-streamlocal@openssh.com`, OpenSSH's PROTOCOL, section 2.4).
    ///
    /// # Errors
    /// When the host may not or cannot connect there.
    fn socket(&self, path: &HostPath) -> impl Future<Output = Result<BoxedStream, RemoteError>> + Send;

    /// Says goodbye. Dropping a connection does the same without waiting.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A command that was [held](Connection::hold), and answers what it is told.
pub trait HeldCommand: Send + Sync + 'static {
    /// What it prints unasked, after the line that it began with and before the first question, until a line that begins
    /// with `end`, whose rest is an exit status.
    ///
    /// # Errors
    /// As [`Connection::exec`].
    fn answer(
        &self,
        end: &'static str,
        deadline: Duration,
    ) -> impl Future<Output = Result<RemoteOutput, RemoteError>> + Send;

    /// Writes a line to its standard input, and what is to follow it, which may hold secrets; gives what it printed until
    /// a line that begins with `end`, whose rest is an exit status.
    ///
    /// # Errors
    /// As [`Connection::exec`]; with [`Certainty::NotSent`] where the command has ended before.
    fn ask(
        &self,
        line: &str,
        payload: Option<Secret>,
        end: &'static str,
        deadline: Duration,
    ) -> impl Future<Output = Result<RemoteOutput, RemoteError>> + Send;
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Certainty::NotSent => "nothing was sent",
            Certainty::MaybeSent => "the command may have run",
        })
    }
}
