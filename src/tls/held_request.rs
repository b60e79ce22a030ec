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

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// Answers the first request with this, and goes on only as long as it is kept.
    async fn answering(head: &'static str) -> (BoxedStream, DuplexStream) {
        let (here, mut there) = duplex(4096);
        there.write_all(head.as_bytes()).await.unwrap();
        (Box::new(here), there)
    }

    #[tokio::test]
    async fn a_request_is_held_where_the_server_keeps_the_connection() {
        for (head, kept) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "held"),
            ("HTTP/1.1 404 Not Found\r\nConnection: keep-alive\r\n\r\n", "held"),
            ("HTTP/1.1 200 OK\r\nconnection: Close\r\n\r\n", "ended"),
            ("HTTP/1.1 200 OK\r\nX-Connection: close\r\n\r\n", "held"),
            ("HTTP/1.0 200 OK\r\n\r\n", "ended"),
            ("SSH-2.0-x\r\n\r\n", "none"),
            ("220 mail\r\n\r\n", "none"),
        ] {
            let (stream, _there) = answering(head).await;
            let conversation = HeldConnection::converse(stream, &"a.test".parse().unwrap()).await;
            let ended = match conversation {
                Conversation::Held(_) => "held",
                Conversation::Ended => "ended",
                Conversation::None => "none",
            };
            assert_eq!(ended, kept, "{head:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_or_never_ends_its_answer_speaks_no_http() {
        let (stream, there) = answering("HTTP/1.1 200 OK\r\n").await;
        drop(there);
        assert!(matches!(
            HeldConnection::converse(stream, &"a.test".parse().unwrap()).await,
            Conversation::None
        ));
        let (here, mut there) = duplex(4096);
        let endless = tokio::spawn(async move {
            let _ = there.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while there.write_all(&[b'x'; 1024]).await.is_ok() {}
        });
        let conversation = HeldConnection::converse(Box::new(here), &"a.test".parse().unwrap()).await;
        assert!(matches!(conversation, Conversation::None));
        endless.await.unwrap();
    }

    #[tokio::test]
    async fn a_held_request_is_answered_by_http_alone() {
        let cut = |reason: &str| HeldOutcome::Cut(reason.to_owned());
        for (answer, outcome) in [
            ("HTTP/1.1 500 Oh\r\n", HeldOutcome::Answered),
            ("HTTP/1.0 200 OK\r\n", HeldOutcome::Answered),
            ("220 mail\r\n", cut("the answer was not HTTP")),
            ("HTT", cut("early eof")),
            ("", cut("early eof")),
        ] {
            let (here, mut there) = duplex(4096);
            let held = HeldConnection::ask(Box::new(here), &"a.test".parse().unwrap()).await.unwrap();
            let server = tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    there.read_buf(&mut request).await.unwrap();
                }
                there.write_all(answer.as_bytes()).await.unwrap();
            });
            assert_eq!(held.finish(PATIENCE).await, outcome, "{answer:?}");
            server.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_request_that_is_not_answered_in_time_was_cut() {
        let (here, _there) = duplex(4096);
        let held = HeldConnection::ask(Box::new(here), &"a.test".parse().unwrap()).await.unwrap();
        let late = HeldOutcome::Cut("no answer within 20 ms".to_owned());
        assert_eq!(held.finish(Duration::from_millis(20)).await, late);
    }
}
