//! A client over HTTP/2 (RFC 9113): one connection, request after request.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::Seen;

const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that was sent and is neither answered nor refused before it was processed (RFC 9113, section 8.7) is lost.
pub(crate) fn one_connection(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut seen = Seen::default();
        while !stop.load(Ordering::Relaxed) {
            let Ok(sender) = connect(address).await else {
                seen.failed_handshakes += 1;
                continue;
            };
            seen.handshakes += 1;
            until_closed(sender, stop, &mut seen).await;
        }
        seen
    })
}

/// Whether a server takes a connection by HTTP/2.
pub(crate) fn is_spoken(address: SocketAddr) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(connect(address)).is_ok()
}

type Sender = h2::client::SendRequest<bytes::Bytes>;

async fn connect(address: SocketAddr) -> Result<Sender, Box<dyn std::error::Error>> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_alpn_protos(b"\x02h2")?;
    let mut ssl = Ssl::new(&builder.build())?;
    ssl.set_hostname("api.lab.test")?;
    let mut stream = SslStream::new(ssl, TcpStream::connect(address).await?)?;
    Pin::new(&mut stream).connect().await?;
    if stream.ssl().selected_alpn_protocol() != Some(&b"h2"[..]) {
        return Err("the server speaks no HTTP/2".into());
    }
    let (sender, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn until_closed(sender: Sender, stop: &AtomicBool, seen: &mut Seen) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut ready) = sender.clone().ready().await else {
            seen.closed += 1;
            return;
        };
        let request = http::Request::get("https://api.lab.test/").body(()).unwrap();
        let answered = async {
            let (response, _) = ready.send_request(request, true)?;
            let mut body = response.await?.into_body();
            while let Some(part) = body.data().await {
                body.flow_control().release_capacity(part?.len())?;
            }
            Ok::<(), h2::Error>(())
        };
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(())) => seen.requests += 1,
            // The server said that it did not process it: a client sends it again.
            Ok(Err(error)) if error.reason() == Some(h2::Reason::REFUSED_STREAM) || error.is_go_away() => {
                seen.closed += 1;
                return;
            }
            _ => {
                seen.lost += 1;
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
