//! Commands on session channels.

use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::time::{sleep, timeout};

use crate::model::{Secret, visible};
use crate::ports::{Certainty, RemoteCommand, RemoteError, RemoteErrorKind, RemoteOutput};
use crate::ssh::link::Loss;
use crate::ssh::sessions::{Refused, SessionPlace};
use crate::ssh::transport::Transport;

/// The most of each output stream that is kept, in bytes.
const OUTPUT_LIMIT: usize = 1 << 20;

/// How much of a standard input is handed over at once, in bytes.
const PIECE: usize = 4 << 10;

/// Until a host that still counts a session of ours is asked again.
const SOON: Duration = Duration::from_millis(50);

/// How long a channel may take to say that it closes.
pub(super) const CLOSING: Duration = Duration::from_secs(10);

/// Why a command has no result. Whether it may have run is told apart.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExecError {
    #[error("open a session: the host refuses all of them (`MaxSessions` in its sshd_config)")]
    NoSession,
    #[error("open a session: {0}")]
    Session(russh::Error),
    #[error("run the command: {0}")]
    Lost(Loss),
    #[error("run the command: the shell that was started on the host has ended")]
    Over,
    #[error("run the command: the host refuses to run any")]
    Refused,
    #[error("run the command: its channel was closed without an exit status")]
    NoStatus,
    #[error("run the command: it printed more than {OUTPUT_LIMIT} bytes")]
    TooMuch,
    #[error(
        "run the command: {limit:?} passed while waiting for one of the sessions that the host allows at once"
    )]
    Queued { limit: Duration },
    #[error("run the command: it was not done within {limit:?}, and may still run")]
    Timeout { limit: Duration },
}

impl ExecError {
    pub(super) fn at(self, certainty: Certainty) -> RemoteError {
        let kind = match self {
            Self::Lost(_) => RemoteErrorKind::Unreachable,
            Self::Queued { .. } | Self::Timeout { .. } => RemoteErrorKind::Timeout,
            _ => RemoteErrorKind::Protocol,
        };
        RemoteError { certainty, kind, reason: visible(&self.to_string()) }
    }
}

/// An open session channel; closed when dropped, as russh does not.
pub(super) struct OpenSession {
    pub(super) read: ChannelReadHalf,
    pub(super) write: Option<ChannelWriteHalf<Msg>>,
    _place: SessionPlace,
}

impl OpenSession {
    /// Lets go of a channel that the host closed, and russh with it.
    pub(super) fn settle(mut self) {
        self.write = None;
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let (Some(write), Ok(runtime)) = (self.write.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        // The message waits where the connection is stuck; then keepalives or the end will free it.
        runtime.spawn(async move { timeout(CLOSING, write.close()).await });
    }
}

async fn open(transport: &Transport) -> Result<OpenSession, RemoteError> {
    let sessions = &transport.sessions;
    loop {
        let place = sessions.place().await;
        match transport.handle.channel_open_session().await {
            Ok(channel) => {
                sessions.allowed();
                let (read, write) = channel.split();
                return Ok(OpenSession { read, write: Some(write), _place: place });
            }
            Err(russh::Error::ChannelOpenFailure(
                ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
            )) => match sessions.refused(place) {
                Refused::Fewer => {}
                Refused::NotYet => sleep(SOON).await,
                Refused::All => return Err(ExecError::NoSession.at(Certainty::NotSent)),
            },
            Err(error @ russh::Error::ChannelOpenFailure(_)) => {
                return Err(ExecError::Session(error).at(Certainty::NotSent));
            }
            Err(_) => return Err(lost(transport, Certainty::NotSent).await),
        }
    }
}

async fn lost(transport: &Transport, certainty: Certainty) -> RemoteError {
    ExecError::Lost(transport.link.loss().await).at(certainty)
}

/// Standard input that is sent from where it lies, and wiped with the last copy.
struct Input(Secret);

impl AsRef<[u8]> for Input {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Sends standard input piece by piece: russh keeps room for the most that it ever had to write at once, for as long as
/// the connection lives.
pub(super) async fn send(write: &ChannelWriteHalf<Msg>, bytes: Secret) -> Result<(), russh::Error> {
    let mut bytes = Bytes::from_owner(Input(bytes));
    while !bytes.is_empty() {
        write.data_bytes(bytes.split_to(PIECE.min(bytes.len()))).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// What a command has said so far.
#[derive(Default)]
pub(super) struct Transcript {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    status: Option<u32>,
}

impl Transcript {
    pub(super) fn take(&mut self, message: ChannelMsg) -> Result<(), ExecError> {
        match message {
            ChannelMsg::Data { data } => {
                if self.stdout.len() + data.len() > OUTPUT_LIMIT {
                    return Err(ExecError::TooMuch);
                }
                self.stdout.extend_from_slice(&data);
            }
            ChannelMsg::ExtendedData { data, ext: 1 } => {
                let room = OUTPUT_LIMIT - self.stderr.len();
                self.stderr.extend_from_slice(&data[..data.len().min(room)]);
            }
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => self.status = Some(128 + number(&signal_name)),
            ChannelMsg::Failure => return Err(ExecError::Refused),
            _ => {}
        }
        Ok(())
    }
}

/// Signal numbers as on Linux for x86 and ARM; 0 for one of another name.
fn number(signal: &Sig) -> u32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        // OpenSSH's own names for what RFC 4254 leaves out, such as `SIG@openssh.com`, carry no number.
        Sig::Custom(name) => match name.as_str() {
            "TRAP" => 5,
            "BUS" => 7,
            "USR2" => 12,
            "XCPU" => 24,
            "XFSZ" => 25,
            "SYS" => 31,
            _ => 0,
        },
    }
}

/// A command under way.
pub(super) struct Running {
    pub(super) session: OpenSession,
    transcript: Transcript,
}

/// What ended a [`Running::follow`].
pub(super) enum End {
    /// The channel is closed.
    Closed,
    /// The first line is complete, and all input was sent.
    Line(String),
}

impl Running {
    /// Opens a session and asks for the command. `sent` turns when the request may be on its way.
    pub(super) async fn start(
        transport: &Transport,
        line: &str,
        sent: &mut bool,
    ) -> Result<Self, RemoteError> {
        let session = open(transport).await?;
        *sent = true;
        if let Some(write) = &session.write
            && write.exec(true, line).await.is_err()
        {
            return Err(lost(transport, Certainty::NotSent).await);
        }
        Ok(Self { session, transcript: Transcript::default() })
    }

    /// Feeds the input and drains the output, both at once: either may wait for the other.
    pub(super) async fn follow(
        &mut self,
        transport: &Transport,
        stdin: Vec<Secret>,
        keep_open: bool,
    ) -> Result<End, RemoteError> {
        let Self { session: OpenSession { read, write, .. }, transcript } = self;
        let feed = async {
            let Some(write) = &*write else { return };
            for piece in stdin {
                // A failure shows in the output's end, too, and better.
                let _ = send(write, piece).await;
            }
            if !keep_open {
                let _ = write.eof().await;
            }
        };
        tokio::pin!(feed);
        let mut fed = false;
        loop {
            if keep_open
                && fed
                && let Some(end) = transcript.stdout.iter().position(|byte| *byte == b'\n')
            {
                return Ok(End::Line(String::from_utf8_lossy(&transcript.stdout[..end]).into_owned()));
            }
            tokio::select! {
                message = read.wait() => match message {
                    // Closed by the host; or the connection is gone, and an exit status that came
                    // before is no proof that all output did.
                    Some(ChannelMsg::Close) => return Ok(End::Closed),
                    None => return Err(lost(transport, Certainty::MaybeSent).await),
                    Some(message) => transcript.take(message).map_err(|error| error.at(Certainty::MaybeSent))?,
                },
                () = &mut feed, if !fed => fed = true,
            }
        }
    }

    /// Its channel, and what it has said after its first line.
    pub(super) fn split(self) -> (OpenSession, Transcript) {
        let Self { session, mut transcript } = self;
        let line = transcript.stdout.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        transcript.stdout.drain(..line);
        (session, transcript)
    }

    /// The output of a command whose channel is closed.
    pub(super) fn finish(self) -> Result<RemoteOutput, RemoteError> {
        let Self { session, transcript: Transcript { stdout, stderr, status } } = self;
        session.settle();
        match status {
            Some(status) => Ok(RemoteOutput { status, stdout, stderr }),
            None => Err(ExecError::NoStatus.at(Certainty::MaybeSent)),
        }
    }
}

pub(super) fn out_of_time(sent: bool, limit: Duration) -> RemoteError {
    match sent {
        true => ExecError::Timeout { limit }.at(Certainty::MaybeSent),
        false => ExecError::Queued { limit }.at(Certainty::NotSent),
    }
}

pub(super) async fn exec(transport: &Transport, command: RemoteCommand) -> Result<RemoteOutput, RemoteError> {
    let RemoteCommand { line, script, stdin, deadline } = command;
    let script = (!script.is_empty()).then(|| Secret::new(script.into_bytes()));
    let stdin = script.into_iter().chain(stdin).collect();
    let mut sent = false;
    let work = async {
        let mut running = Running::start(transport, &line, &mut sent).await?;
        running.follow(transport, stdin, false).await?;
        running.finish()
    };
    let done = timeout(deadline, work).await;
    done.unwrap_or_else(|_| Err(out_of_time(sent, deadline)))
}
