//! What the engine asks of the world. Small traits, so that each can be filled by the real thing and,
//! where no real thing can do it (a crash at a chosen event), by a simulated one.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::gate::Handshakes;
use crate::inventory::Login;
use crate::model::{HostPath, Secret};
use crate::rollout::{Event, State};
use crate::verify::{Endpoint, HeldOutcome, Observation};

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
    /// Sent to standard input, one after the other, then end of file. May hold secrets.
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

/// Connects to an endpoint, each time that it is called; else the reason, in words.
pub trait Dial: Fn() -> Self::Dialled + Send + Sync {
    /// The connection, when it is made.
    type Dialled: Future<Output = Result<BoxedStream, String>> + Send;
}

impl<F, D> Dial for F
where
    F: Fn() -> D + Send + Sync,
    D: Future<Output = Result<BoxedStream, String>> + Send,
{
    type Dialled = D;
}

/// Speaks TLS to endpoints.
pub trait Prober: Send + Sync + 'static {
    /// A connection with a request in flight.
    type Held: HeldRequest;

    /// A TCP connection from the controller.
    ///
    /// # Errors
    /// The reason in words: refused, timed out, no such name.
    fn dial(
        &self,
        address: &str,
        port: u16,
        deadline: Duration,
    ) -> impl Future<Output = Result<BoxedStream, String>> + Send;

    /// Every address of a name (RFC 6724 orders them); of an address, itself.
    ///
    /// # Errors
    /// The reason in words.
    fn resolve(&self, name: &str) -> impl Future<Output = Result<Vec<IpAddr>, String>> + Send;

    /// One full handshake, without session resumption, then closes. It dials again where the first connection shows
    /// that TLS has to be spoken in another way.
    fn handshake(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = Observation> + Send;

    /// A handshake, what it showed, and a whole HTTP/1.1 request; where that is answered, another one on the same connection
    /// but for its last empty line, so that the server has a request in flight.
    fn converse(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = (Observation, Conversation<Self::Held>)> + Send;

    /// A handshake and an HTTP/1.1 request but for its last empty line. None where that could not be sent.
    fn hold(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = Option<Self::Held>> + Send;
}

/// What became of a first request.
#[derive(Debug)]
pub enum Conversation<H> {
    /// It was answered, and the next one is in flight.
    Held(H),
    /// It was answered, and the server ended the connection.
    Ended,
    /// There was no answer in HTTP.
    None,
}

/// A connection with a request in flight, kept open over a reload.
pub trait HeldRequest: Send + 'static {
    /// Sends the rest of the request and waits for the answer.
    fn finish(self, deadline: Duration) -> impl Future<Output = HeldOutcome> + Send;
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Certainty::NotSent => "nothing was sent",
            Certainty::MaybeSent => "the command may have run",
        })
    }
}

/// Where the facts of a rollout are kept.
pub trait Journal: Send + Sync + 'static {
    /// Appends events; they are durable when this returns.
    ///
    /// # Errors
    /// When they are not: then what they announce must not be done.
    fn append(
        &self,
        events: Vec<(Timestamp, Event)>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// The journal could not be written; in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk, or the database.
    #[error("{0}")]
    Unwritable(String),
    /// Another controller has taken the rollout over: nothing more may be done here, not even to finish.
    #[error("{0}")]
    Deposed(String),
}

/// The time, and waiting for it.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits for that long.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Sees every event once it is in the journal.
pub trait Observer: Send + 'static {
    /// Events that were written together, and the state after them.
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State);

    /// What the watch over a soaking wave has seen so far; comes about once a second.
    fn soaking(&mut self, handshakes: Handshakes, until: Timestamp, now: Timestamp);
}

/// Answers HTTP-01 challenges (RFC 8555, section 8.3).
pub trait ChallengeResponder: Send + Sync {
    /// Serves `key_authorization` at `/.well-known/acme-challenge/TOKEN` until it is withdrawn.
    ///
    /// # Errors
    /// In words, when it cannot be served everywhere where the CA may ask.
    fn publish(
        &self,
        token: &str,
        key_authorization: &str,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// No longer serves it. What cannot be withdrawn is harmless: a token is good for one order.
    fn withdraw(&self, token: &str) -> impl Future<Output = ()> + Send;
}

/// Small files that hold secrets: accounts at ACME servers, orders under way. How they are protected is the keeper's.
pub trait SecretFiles: Send + Sync {
    /// What a file holds; none where there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be had.
    fn read(&self, name: &str) -> Result<Option<Secret>, KeepError>;

    /// Writes a file, whole or not at all; it is durable when this returns.
    ///
    /// # Errors
    /// When it is not.
    fn write(&self, name: &str, secret: &Secret) -> Result<(), KeepError>;

    /// Calls a file something else.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    fn rename(&self, from: &str, to: &str) -> Result<(), KeepError>;

    /// Removes a file. It may be gone already.
    ///
    /// # Errors
    /// When the disk refuses.
    fn remove(&self, name: &str) -> Result<(), KeepError>;
}

/// A secret could not be kept, or not be had again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct KeepError {
    /// In words.
    pub reason: String,
    /// The way out, where there is a usual one.
    pub hint: Option<&'static str>,
}
