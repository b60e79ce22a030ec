//! Clients over HTTP/1.1: a connection for each request, and one that is kept.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openssl::ssl::{Ssl, SslContext, SslMethod, SslSessionCacheMode, SslStream, SslVerifyMode};

use super::Seen;

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);

/// Without the system's roots, which take long to read, and without resumption: each handshake is a full one.
pub(super) fn connector() -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.build()
}

pub(super) fn connect(context: &SslContext, address: SocketAddr) -> Option<SslStream<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_hostname("api.lab.test").unwrap();
    ssl.connect(stream).ok()
}

enum Answer {
    Whole,
    Cut,
    None,
}

fn request(stream: &mut SslStream<TcpStream>) -> Answer {
    if stream.write_all(b"GET / HTTP/1.1\r\nHost: api.lab.test\r\n\r\n").is_err() {
        return Answer::None;
    }
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) if answer.is_empty() => return Answer::None,
            Ok(0) | Err(_) => return Answer::Cut,
            Ok(read) => answer.extend_from_slice(&part[..read]),
        }
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if length.is_some_and(|length| body.len() >= length) {
            return Answer::Whole;
        }
    }
}

pub(crate) fn fresh_connections(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let context = connector();
    while !stop.load(Ordering::Relaxed) {
        seen.handshakes += 1;
        match connect(&context, address) {
            None => seen.failed_handshakes += 1,
            Some(mut stream) => {
                let leaf = stream.ssl().peer_certificate().unwrap().to_der().unwrap();
                seen.leaves.push((Instant::now(), openssl::sha::sha256(&leaf).to_vec()));
                seen.requests += 1;
                match request(&mut stream) {
                    Answer::Whole => {}
                    Answer::Cut => seen.cut += 1,
                    Answer::None => seen.failed_requests += 1,
                }
                let _ = stream.shutdown();
            }
        }
        std::thread::sleep(PAUSE);
    }
    seen
}

/// Whether the server has closed a connection that waits for its next request: a client that looks opens another one.
fn is_closed(stream: &mut SslStream<TcpStream>) -> bool {
    stream.get_ref().set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.get_ref().set_nonblocking(false).unwrap();
    !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// One connection with request after request; where the server closes it between two, as HTTP allows, another. A request that
/// was sent and is not answered is lost.
pub(crate) fn kept_connection(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let context = connector();
    let mut kept = connect(&context, address);
    while !stop.load(Ordering::Relaxed) {
        let Some(stream) = &mut kept else {
            kept = connect(&context, address);
            continue;
        };
        if is_closed(stream) {
            seen.closed += 1;
            kept = connect(&context, address);
            continue;
        }
        match request(stream) {
            Answer::Whole => seen.requests += 1,
            Answer::Cut => seen.cut += 1,
            Answer::None => {
                seen.lost += 1;
                kept = connect(&context, address);
            }
        }
        std::thread::sleep(PAUSE);
    }
    seen
}
