//! Connections on which HTTP is spoken: with a request in flight, or idle.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::model::DnsName;
use crate::ports::{BoxedStream, Conversation, HeldRequest, IdleConnection};
use crate::verify::HeldOutcome;

/// A longer head is no answer to be waited for.
const HEAD: usize = 64 * 1024;
/// What has come over a connection is read within this time.
const GOODBYE: Duration = Duration::from_millis(5);

/// A connection on which all of a request but its last empty line was sent.
pub struct HeldConnection {
    stream: BoxedStream,
}

impl HeldConnection {
    /// A whole request first, which tells whether HTTP is spoken; then as [`Self::ask`], where the server keeps the
    /// connection.
    pub(super) async fn converse(mut stream: BoxedStream, host: &DnsName) -> Conversation<HeldConnection> {
        match exchange(&mut stream, host).await {
            None => Conversation::None,
            Some(Kept(false)) => Conversation::Ended,
            Some(Kept(true)) => match Self::ask(stream, host).await {
                Ok(held) => Conversation::Held(held),
                Err(_) => Conversation::Ended,
            },
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

/// A connection that waits for its next request.
pub struct KeptConnection {
    stream: BoxedStream,
}

impl KeptConnection {
    /// A whole request. None where the server did not answer it in HTTP, or does not keep the connection.
    pub(super) async fn after_one(mut stream: BoxedStream, host: &DnsName) -> Option<Self> {
        let Kept(kept) = exchange(&mut stream, host).await?;
        kept.then_some(Self { stream })
    }
}

impl IdleConnection for KeptConnection {
    async fn was_closed(mut self) -> bool {
        // A goodbye that has come is there to be read. Nothing else comes before the next request.
        let mut byte = [0];
        timeout(GOODBYE, self.stream.read(&mut byte)).await.is_ok()
    }
}

/// Whether a server keeps the connection after its answer (RFC 9112, section 9.3).
struct Kept(bool);

/// A whole request and its answer; none where that is not HTTP.
async fn exchange(stream: &mut BoxedStream, host: &DnsName) -> Option<Kept> {
    let version = env!("CARGO_PKG_VERSION");
    let request = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: certwave/{version}\r\n\r\n");
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        head(stream).await
    };
    let head = asked.await.ok().filter(|head| head.starts_with("http/"))?;
    let mut connection = head.lines().filter_map(|line| line.strip_prefix("connection:"));
    Some(Kept(head.starts_with("http/1.1 ") && !connection.any(|value| value.contains("close"))))
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
    async fn an_idle_connection_is_closed_where_the_server_said_goodbye() {
        for closes in [true, false] {
            let (stream, there) = answering("HTTP/1.1 200 OK\r\n\r\n").await;
            let idle = KeptConnection::after_one(stream, &"a.test".parse().unwrap()).await.unwrap();
            let there = Some(there).filter(|_| !closes);
            assert_eq!(idle.was_closed().await, closes);
            drop(there);
        }
        let (stream, _there) = answering("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
        assert!(KeptConnection::after_one(stream, &"a.test".parse().unwrap()).await.is_none());
    }

    #[tokio::test]
    async fn a_request_that_is_not_answered_in_time_was_cut() {
        let (here, _there) = duplex(4096);
        let held = HeldConnection::ask(Box::new(here), &"a.test".parse().unwrap()).await.unwrap();
        let late = HeldOutcome::Cut("no answer within 20 ms".to_owned());
        assert_eq!(held.finish(Duration::from_millis(20)).await, late);
    }
}
