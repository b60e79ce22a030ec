//! One question to a socket on a host, and its answer: through the SSH connection, or where the login may not open
//! the socket, through `sudo` and a relay found on the host.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::engine::host::session::Session;
use crate::install::Script;
use crate::model::{HostPath, Secret, visible, visible_block};
use crate::plan::HostPlan;
use crate::ports::{BoxedStream, Connection};
use crate::service::RELAY;

/// For one question and its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// More is no answer of a server that was asked one thing.
const MOST: u64 = 1 << 20;

/// Asks on a stream of its own, as HAProxy wants it from 3.0 on.
///
/// # Errors
/// In words, when there was no way to the socket.
pub(crate) async fn ask<C: Connection>(
    session: &Session<C>,
    plan: &HostPlan,
    socket: &HostPath,
    question: Secret,
) -> Result<String, String> {
    let refused = match session.connection.socket(socket).await {
        Ok(stream) => return spoken(stream, &question).await,
        Err(error) => error.reason,
    };
    let script = Script::new()
        .assign("socket", socket.as_str())
        .assign("patience", &PATIENCE.as_secs().to_string())
        .text(RELAY);
    let output = session.run(plan, &script, Some(question), PATIENCE + PATIENCE).await;
    let output = output.map_err(|failure| failure.reason().to_owned())?;
    if output.status != 0 && output.stdout.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(format!("{refused}; and through the host's own tools: {}", visible(said)));
    }
    Ok(visible_block(&String::from_utf8_lossy(&output.stdout)))
}

async fn spoken(mut stream: BoxedStream, question: &Secret) -> Result<String, String> {
    let dialogue = async {
        stream.write_all(question.expose()).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(visible_block(&String::from_utf8_lossy(&answer)))
    };
    match timeout(PATIENCE, dialogue).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
