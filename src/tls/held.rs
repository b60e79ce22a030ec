//! A connection with a request in flight.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_openssl::SslStream;

use crate::engine::ports::{BoxedStream, HeldRequest};
use crate::model::DnsName;
use crate::verify::HeldOutcome;

/// A connection on which all of a request but its last empty line was sent.
pub struct HeldConnection {
    stream: SslStream<BoxedStream>,
}

impl HeldConnection {
    /// Sends the request (RFC 9112, section 3) but for the empty line that ends it: to the server it is in
    /// flight, for as long as its own time-out for headers allows.
    pub(super) async fn ask(mut stream: SslStream<BoxedStream>, host: &DnsName) -> std::io::Result<Self> {
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
            Err(error) => HeldOutcome::Cut(error.to_string()),
        }
    }
}

impl HeldRequest for HeldConnection {
    async fn finish(self, deadline: Duration) -> HeldOutcome {
        match timeout(deadline, self.answer()).await {
            Ok(outcome) => outcome,
            Err(_) => HeldOutcome::Cut(format!("no answer within {} ms", deadline.as_millis())),
        }
    }
}
