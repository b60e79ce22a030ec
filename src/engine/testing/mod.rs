//! A transcript of what is asked of a host and what it answers, in place of a connection to one: data in, data out.
//!
//! What is asked is one text: `connect`, `hold`, `first task`, `task LINE`, `exec LINE SCRIPT`, `socket PATH: QUESTION` and
//! `tunnel ADDRESS:PORT: QUESTION`. What is sent along is told by its size, since it may be a secret: `task LINE < 512 B`.
//! In what is expected, `…` stands for any text. The order is that of the transcript; a test fails where something else is
//! asked, and where something was never asked.

mod clock;
mod handshakes;
mod tests;
mod world;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::inventory::Login;
use crate::model::{HostPath, Secret};
use crate::ports::{
    BoxedStream, Certainty, Connection, Connector, HeldCommand, RemoteCommand, RemoteError, RemoteErrorKind,
    RemoteOutput,
};

pub(crate) use clock::VirtualClock;
pub(crate) use handshakes::{Handshakes, not_tls, served, silent};
pub(crate) use world::{World, certificates, envoy, facts, haproxy, previous, verified};

/// What a host answers: what it prints and its exit status, or how the transport fails.
pub(crate) type Answer = Result<RemoteOutput, RemoteError>;

/// What is asked of one host, and what it answers; ends a test that did not ask for all of it.
pub(crate) struct Transcript(Host);

/// The host that a transcript plays. Its clones are the same one.
#[derive(Clone)]
pub(crate) struct Host(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    expected: VecDeque<(String, Answer)>,
    /// What was asked and should not have been: a task that is told so may end unheard.
    wrong: Vec<String>,
}

impl Transcript {
    /// Nothing is asked.
    pub(crate) fn new() -> Self {
        Self(Host(Arc::default()))
    }

    /// A connection, and the host's lock.
    pub(crate) fn locked() -> Self {
        Self::new().then("connect", ok("")).then("hold", ok("certwave:locked"))
    }

    /// The next thing that is asked.
    pub(crate) fn then(self, asked: impl Into<String>, answer: Answer) -> Self {
        self.0.inner().expected.push_back((asked.into(), answer));
        self
    }

    /// All that another transcript has.
    pub(crate) fn and(self, other: Self) -> Self {
        let after = std::mem::take(&mut other.0.inner().expected);
        self.0.inner().expected.extend(after);
        self
    }

    /// The next question to a socket on the host.
    pub(crate) fn socket(self, path: &str, question: &str, answer: &str) -> Self {
        self.then(format!("socket {path}: {question}"), ok(answer))
    }

    pub(crate) fn host(&self) -> Host {
        self.0.clone()
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        let Inner { expected, wrong } = std::mem::take(&mut *self.0.inner());
        if std::thread::panicking() {
            return;
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let left: Vec<String> = expected.into_iter().map(|(asked, _)| asked).collect();
        assert!(left.is_empty(), "never asked:\n{}", left.join("\n"));
    }
}

impl Host {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &str) -> Answer {
        // After a failure: of what no transcript says, the servers' own logs have nothing to tell.
        let is_expected = self.inner().expected.front().is_some_and(|(expected, _)| fits(expected, asked));
        if asked == "task run own_words" && !is_expected {
            return ok("certwave:result told\n");
        }
        let next = self.inner().expected.pop_front();
        match next {
            Some((expected, answer)) if fits(&expected, asked) => answer,
            next => {
                let expected = next.map_or("nothing any more".to_owned(), |(expected, _)| expected);
                let wrong = format!("asked:\n{asked}\nexpected:\n{expected}");
                self.inner().wrong.push(wrong.clone());
                panic!("{wrong}");
            }
        }
    }

    /// A stream of which the next question is read, until it ends or asks in HTTP/1.1 for an answer.
    fn stream(&self, to: String) -> Result<BoxedStream, RemoteError> {
        if self.inner().expected.front().is_some_and(|(expected, answer)| *expected == to && answer.is_err())
        {
            return Err(self.answer(&to).unwrap_err());
        }
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let host = self.clone();
        tokio::spawn(async move {
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n")
                && theirs.read_buf(&mut question).await.is_ok_and(|read| read > 0)
            {}
            if let Ok(answer) = host.answer(&format!("{to}: {}", String::from_utf8_lossy(&question))) {
                theirs.write_all(&answer.stdout).await.unwrap();
            }
        });
        Ok(Box::new(ours))
    }
}

/// Whether a text is what is expected, with `…` for any text.
fn fits(expected: &str, asked: &str) -> bool {
    let mut pieces = expected.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = asked.strip_prefix(first) else { return false };
    let mut last = None;
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
        last = Some(piece);
    }
    last.map_or(rest.is_empty(), |last| last.is_empty() || asked.ends_with(last))
}

fn with_size(asked: String, sent: &[Secret]) -> String {
    match sent.iter().map(Secret::size).sum() {
        0 => asked,
        size => format!("{asked} < {size} B"),
    }
}

/// It prints that, and succeeds.
pub(crate) fn ok(stdout: &str) -> Answer {
    ended(0, stdout, "")
}

pub(crate) fn ended(status: u32, stdout: &str, stderr: &str) -> Answer {
    Ok(RemoteOutput { status, stdout: stdout.as_bytes().to_vec(), stderr: stderr.as_bytes().to_vec() })
}

/// The transport fails before anything was sent.
pub(crate) fn not_sent(kind: RemoteErrorKind, reason: &str) -> Answer {
    Err(RemoteError { certainty: Certainty::NotSent, kind, reason: reason.to_owned() })
}

/// The transport fails in the middle.
pub(crate) fn maybe_sent(reason: &str) -> Answer {
    let (certainty, kind) = (Certainty::MaybeSent, RemoteErrorKind::Unreachable);
    Err(RemoteError { certainty, kind, reason: reason.to_owned() })
}

impl Connector for Host {
    type Connection = Host;

    async fn connect(&self, _: &Login) -> Result<Host, RemoteError> {
        self.answer("connect").map(|_| self.clone())
    }
}

impl Connection for Host {
    type Held = Host;

    async fn exec(&self, command: RemoteCommand) -> Answer {
        self.answer(&with_size(
            format!("exec {}\n{}", command.line, command.script.trim_end()),
            &command.stdin,
        ))
    }

    async fn hold(&self, _: RemoteCommand) -> Result<Result<(String, Host), RemoteOutput>, RemoteError> {
        let output = self.answer("hold")?;
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(if output.status == 0 { Ok((line, self.clone())) } else { Err(output) })
    }

    async fn tunnel(&self, address: &str, port: u16) -> Result<BoxedStream, RemoteError> {
        self.stream(format!("tunnel {address}:{port}"))
    }

    async fn socket(&self, path: &HostPath) -> Result<BoxedStream, RemoteError> {
        self.stream(format!("socket {path}"))
    }

    async fn close(self) {}
}

impl HeldCommand for Host {
    async fn answer(&self, _: &'static str, _: Duration) -> Answer {
        Host::answer(self, "first task")
    }

    async fn ask(&self, line: &str, payload: Option<Secret>, _: &'static str, _: Duration) -> Answer {
        Host::answer(self, &with_size(format!("task {line}"), payload.as_slice()))
    }
}
