//! A command that stays on its channel, and answers line by line.

use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::model::Secret;
use crate::ports::{self, Certainty, RemoteCommand, RemoteError, RemoteOutput};
use crate::ssh::exec::{CLOSING, End, ExecError, OpenSession, Running, Transcript, out_of_time, send};
use crate::ssh::link::Loss;
use crate::ssh::transport::Transport;

pub(super) async fn hold(
    transport: &Transport,
    command: RemoteCommand,
) -> Result<Result<(String, HeldCommand), RemoteOutput>, RemoteError> {
    let RemoteCommand { line, script, stdin, deadline } = command;
    let script = (!script.is_empty()).then(|| Secret::new(script.into_bytes()));
    let stdin = script.into_iter().chain(stdin).collect();
    let mut sent = false;
    let work = async {
        let mut running = Running::start(transport, &line, &mut sent).await?;
        match running.follow(transport, stdin, true).await? {
            End::Closed => running.finish().map(Err),
            End::Line(line) => {
                let (session, said) = running.split();
                Ok(Ok((line, HeldCommand::new(session, said, transport.link.loss()))))
            }
        }
    };
    let done = timeout(deadline, work).await;
    done.unwrap_or_else(|_| Err(out_of_time(sent, deadline)))
}

/// A command on the host that runs until this is dropped, or the connection ends: then its standard
/// input ends.
#[derive(Debug)]
pub struct HeldCommand {
    /// To the task that has the channel; closed, it ends.
    questions: mpsc::Sender<HeldQuestion>,
}

/// What is asked, and who waits for the answer.
#[derive(Debug)]
struct HeldQuestion {
    /// None where it is answered unasked.
    asked: Option<(String, Option<Secret>)>,
    end: &'static str,
    answer: oneshot::Sender<Result<RemoteOutput, RemoteError>>,
}

impl HeldCommand {
    fn new(
        session: OpenSession,
        said: Transcript,
        loss: impl Future<Output = Loss> + Send + 'static,
    ) -> Self {
        let (questions, mut asked) = mpsc::channel(1);
        tokio::spawn(async move {
            serve(session, said, &mut asked, loss).await;
            // What came too late was not sent.
            asked.close();
            while let Some(HeldQuestion { answer, .. }) = asked.recv().await {
                let _ = answer.send(Err(ExecError::Over.at(Certainty::NotSent)));
            }
        });
        Self { questions }
    }

    async fn wait(
        &self,
        asked: Option<(String, Option<Secret>)>,
        end: &'static str,
        deadline: Duration,
    ) -> Result<RemoteOutput, RemoteError> {
        let (answer, answered) = oneshot::channel();
        if self.questions.send(HeldQuestion { asked, end, answer }).await.is_err() {
            return Err(ExecError::Over.at(Certainty::NotSent));
        }
        match timeout(deadline, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(ExecError::Over.at(Certainty::MaybeSent))),
            Err(_) => Err(out_of_time(true, deadline)),
        }
    }
}

impl ports::HeldCommand for HeldCommand {
    async fn answer(&self, end: &'static str, deadline: Duration) -> Result<RemoteOutput, RemoteError> {
        self.wait(None, end, deadline).await
    }

    async fn ask(
        &self,
        line: &str,
        payload: Option<Secret>,
        end: &'static str,
        deadline: Duration,
    ) -> Result<RemoteOutput, RemoteError> {
        self.wait(Some((line.to_owned(), payload)), end, deadline).await
    }
}

async fn serve(
    mut session: OpenSession,
    said: Transcript,
    asked: &mut mpsc::Receiver<HeldQuestion>,
    loss: impl Future<Output = Loss> + Send + 'static,
) {
    // What it says before it is asked is kept for the first question.
    let mut unasked = Some(said);
    loop {
        tokio::select! {
            question = asked.recv() => {
                let Some(HeldQuestion { asked, end, mut answer }) = question else { break };
                let said = unasked.take().unwrap_or_default();
                let answering = tokio::select! {
                    done = answered(&mut session, said, asked, end) => done,
                    // Nobody waits for it any more.
                    () = answer.closed() => break,
                };
                // Whoever asked may have gone in this moment: then nobody needs the answer.
                let error = match answering {
                    Ok(said) => {
                        let _ = answer.send(Ok(said));
                        continue;
                    }
                    Err(Some(error)) => error,
                    Err(None) => ExecError::Lost(loss.await),
                };
                let _ = answer.send(Err(error.at(Certainty::MaybeSent)));
                return;
            }
            // Undrained it would stall the connection, even where nobody will read it.
            message = session.read.wait() => match message {
                None | Some(ChannelMsg::Close) => return session.settle(),
                Some(message) => if let Some(said) = &mut unasked && said.take(message).is_err() {
                    break;
                },
            },
        }
    }
    let ending = async {
        if let Some(write) = &session.write {
            let _ = write.eof().await;
        }
        while !is_end(session.read.wait().await.as_ref()) {}
    };
    if timeout(CLOSING, ending).await.is_ok() {
        session.settle();
    }
}

/// Asks, and drains until it is answered, both at once: either may wait for the other. The error is none where the
/// connection is gone.
async fn answered(
    OpenSession { read, write, .. }: &mut OpenSession,
    said: Transcript,
    asked: Option<(String, Option<Secret>)>,
    end: &str,
) -> Result<RemoteOutput, Option<ExecError>> {
    let write = write.as_ref().ok_or(None)?;
    let said = if asked.is_some() { Transcript::default() } else { said };
    let asking = async {
        let Some((line, payload)) = asked else { return Ok(()) };
        write.data_bytes(Bytes::from(line + "\n")).await?;
        match payload {
            Some(payload) => send(write, payload).await,
            None => Ok(()),
        }
    };
    let answer = answer(read, said, end);
    tokio::pin!(asking, answer);
    tokio::select! {
        // It may give up before it has read all.
        answer = &mut answer => return answer,
        asked = &mut asking => asked.map_err(|_| None)?,
    }
    answer.await
}

async fn answer(
    read: &mut ChannelReadHalf,
    mut said: Transcript,
    end: &str,
) -> Result<RemoteOutput, Option<ExecError>> {
    loop {
        if let Some((size, status)) = last_line(&said.stdout, end) {
            said.stdout.truncate(size);
            return Ok(RemoteOutput { status, stdout: said.stdout, stderr: said.stderr });
        }
        match read.wait().await {
            None => return Err(None),
            Some(ChannelMsg::Close) => return Err(Some(ExecError::Over)),
            Some(message) => said.take(message).map_err(Some)?,
        }
    }
}

/// Where the last line begins, if it is the one that ends an answer, and the status on it.
fn last_line(said: &[u8], end: &str) -> Option<(usize, u32)> {
    let text = said.strip_suffix(b"\n")?;
    let start = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let status = text[start..].strip_prefix(end.as_bytes())?;
    Some((start, std::str::from_utf8(status).ok()?.parse().ok()?))
}

fn is_end(message: Option<&ChannelMsg>) -> bool {
    matches!(message, None | Some(ChannelMsg::Close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_over_at_its_last_line_alone() {
        assert_eq!(last_line(b"said\nended 75\n", "ended "), Some((5, 75)));
        assert_eq!(last_line(b"ended 0\n", "ended "), Some((0, 0)));
        for more in ["said\nended 75", "ended 0\nsaid\n", "said ended 0\n", "ended x\n", ""] {
            assert_eq!(last_line(more.as_bytes(), "ended "), None, "{more}");
        }
    }
}
