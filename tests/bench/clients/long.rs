//! Clients that stay: downloads of some seconds, and connections that were upgraded, as WebSockets are (RFC 6455).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Seen;
use super::plain::{connect, connector};

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(50);

/// One download after the other; one that ends before its length is cut.
pub(crate) fn downloads(address: SocketAddr, path: &str, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let Some(mut stream) = connect(&connector(), address) else { continue };
        let request = format!("GET {path} HTTP/1.1\r\nHost: api.lab.test\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let sent = stream.write_all(request.as_bytes());
        let read = sent.and_then(|()| stream.read_to_end(&mut answer));
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let length = head.to_ascii_lowercase();
        let length =
            length.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        seen.requests += 1;
        if read.is_err() || length != Some(body.len()) {
            seen.cut += 1;
        }
    }
    seen
}

/// An upgraded connection over which a message is sent and comes back, again and again. One that ends is counted, and another
/// is opened.
pub(crate) fn upgraded(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let Some(mut stream) = connect(&connector(), address) else { continue };
        let upgrade = "GET /echo HTTP/1.1\r\nHost: api.lab.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).unwrap();
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        seen.handshakes += 1;
        while !stop.load(Ordering::Relaxed) {
            let mut back = [0; 4];
            if stream.write_all(b"ping").is_err() || stream.read_exact(&mut back).is_err() {
                seen.cut += 1;
                break;
            }
            seen.requests += 1;
            std::thread::sleep(PAUSE);
        }
    }
    seen
}

fn head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Where upgraded connections lead: what comes goes back.
pub(crate) fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                head(&mut client);
                let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
                let _ = client.write_all(answer.as_bytes()).and_then(|()| repeat(&mut client));
            });
        }
    });
    at
}

fn repeat(client: &mut TcpStream) -> std::io::Result<()> {
    let mut part = [0; 1024];
    loop {
        match client.read(&mut part)? {
            0 => return Ok(()),
            read => client.write_all(&part[..read])?,
        }
    }
}
