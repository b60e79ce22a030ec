//! A connection with a request in flight.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::model::DnsName;
use crate::ports::{BoxedStream, Conversation, HeldRequest};
use crate::verify::HeldOutcome;

/// A longer head is no answer to be waited for.
const HEAD: usize = 64 * 1024;

/// A connection on which all of a request but its last empty line was sent.
pub struct HeldConnection {
    stream: BoxedStream,
}

impl HeldConnection {
    /// A whole request first, which tells whether HTTP is spoken; then as [`Self::ask`], where the server keeps the
    /// connection (RFC 9112, section 9.3).
    pub(super) async fn converse(mut stream: BoxedStream, host: &DnsName) -> Conversation<HeldConnection> {
        let version = env!("CARGO_PKG_VERSION");
        let request = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: certwave/{version}\r\n\r\n");
        let asked = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            head(&mut stream).await
        };
        let Some(head) = asked.await.ok().filter(|head| head.starts_with("http/")) else {
            return Conversation::None;
        };
        let ends = !head.starts_with("http/1.1 ")
            || head
                .lines()
                .filter_map(|line| line.strip_prefix("connection:"))
                .any(|value| value.contains("close"));
        if ends {
            return Conversation::Ended;
        }
        match Self::ask(stream, host).await {
            Ok(held) => Conversation::Held(held),
            Err(_) => Conversation::Ended,
        }
    }

    /// Sends the request (RFC 9112, section 3) but for the empty line that ends it: to the server it is in
    /// flight, for as long as its own time-out for headers allows.
    pub(super) async fn ask(mut stream: BoxedStream, host: &DnsName) -> std::io::Result<Self> {
        let version = env!("CARGO_PKG_VERSION");
        let request = format!(
            "HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: certwave/{version}\r\nConnection: close\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        Ok(Self { stream })
    }

    /// Ends the request, and waits for the first line of the answer.
    pub(super) async fn answer(mut self) -> HeldOutcome {
        let asked = async {
            self.stream.write_all(b"\r\n").await?;
            self.stream.flush().await?;
            let mut start = [0; 5];
            self.stream.read_exact(&mut start).await.map(|_| start)
        };
        match asked.await {
            Ok(start) if start == *b"HTTP/" => HeldOutcome::Answered,
            Ok(_) => HeldOutcome::Cut("the answer was not HTTP".to_owned()),
            // rustls has other words for an end without a goodbye.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                HeldOutcome::Cut("early eof".to_owned())
            }
            Err(error) => HeldOutcome::Cut(error.to_string()),
        }
    }
}

/// The head of an answer, which is all that HEAD is answered with, in small letters.
async fn head(stream: &mut BoxedStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let too_long = head.len() > HEAD || (head.len() >= 5 && !head.starts_with(b"HTTP/"));
        if too_long || stream.read_buf(&mut head).await? == 0 {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    Ok(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

impl HeldRequest for HeldConnection {
    async fn finish(self, deadline: Duration) -> HeldOutcome {
        match timeout(deadline, self.answer()).await {
            Ok(outcome) => outcome,
            Err(_) => HeldOutcome::Cut(format!("no answer within {} ms", deadline.as_millis())),
        }
    }
}
