//! Tunnels through a host.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use certwave::ports::{Certainty, Connection, RemoteErrorKind};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{PATIENCE, Sshd, comes, pattern, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_carries_bytes_both_ways() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = socket.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let sent = pattern(3_000_000);
    let (mut read, mut write) = tokio::io::split(connection.tunnel("127.0.0.1", port).await.unwrap());
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let ((), got) = tokio::join!(writing, read.read_to_end(&mut received));
    got.unwrap();
    assert!(received == sent);
    // Nobody listens there.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(connection.tunnel("127.0.0.1", dead).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::NotSent));
    assert!(error.reason.ends_with("the host could not connect there"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_tunnel_names_the_setting() {
    let server = Sshd::start("AllowTcpForwarding no");
    let connection = server.connect().await;
    let error = refusal(connection.tunnel("127.0.0.1", 443).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::NotSent));
    assert!(error.reason.contains("AllowTcpForwarding"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_fails_with_its_connection() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut reader = connection.tunnel("127.0.0.1", port).await.unwrap();
    let mut writer = connection.tunnel("127.0.0.1", port).await.unwrap();
    let _never_read = (listener.accept().await.unwrap(), listener.accept().await.unwrap());
    let reading = tokio::spawn(async move { reader.read_u8().await.unwrap_err().kind() });
    let written = Arc::new(AtomicUsize::new(0));
    let pieces = written.clone();
    let writing = tokio::spawn(async move {
        let piece = pattern(10_000);
        loop {
            match writer.write_all(&piece).await {
                Ok(()) => pieces.fetch_add(1, Ordering::Relaxed),
                Err(error) => return error.kind(),
            };
        }
    });
    // The writer runs into the window's end: it has begun, and gets no further for 60 looks in a row.
    let (mut last, mut looks) = (0, 0);
    comes("the writer stalls", || {
        let now = written.load(Ordering::Relaxed);
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        now > 0 && looks >= 60
    })
    .await;
    server.signal_connections(Signal::SIGKILL);
    let ended = tokio::time::timeout(PATIENCE, async { (reading.await.unwrap(), writing.await.unwrap()) });
    let aborted = std::io::ErrorKind::ConnectionAborted;
    assert_eq!(ended.await.unwrap(), (aborted, aborted));
}
