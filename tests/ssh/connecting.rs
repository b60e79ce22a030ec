//! Where there is no connection: why, and whether it is tried again.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use certwave::inventory::Login;
use certwave::ports::{Certainty, Connection, Connector, RemoteErrorKind};
use certwave::ssh::{SshConnector, SshOptions};

use crate::require;
use crate::support::{PATIENCE, Sshd, comes, refusal, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_port_is_unreachable_after_retries() {
    let server = Sshd::start("");
    let port = certwave::lab::free_port("127.0.0.1".parse().unwrap()).unwrap();
    let options = SshOptions { retry_delay: Duration::from_millis(10), ..server.options() };
    let error = refusal(SshConnector::new(options).connect(&Login { port, ..server.login() }).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
    assert_eq!(error.reason, format!("connect to 127.0.0.1:{port}: Connection refused (os error 111)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_port_is_given_up_and_its_sockets_are_closed() {
    let server = Sshd::start("");
    for words in ["", "SSH-2.0-mute\r\n", "HTTP/1.1 400 Bad Request\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = std::thread::spawn(move || {
            let mut accepted: Vec<_> = (0..3)
                .map(|_| {
                    let mut socket = listener.accept().unwrap().0;
                    std::io::Write::write_all(&mut socket, words.as_bytes()).unwrap();
                    socket
                })
                .collect();
            // All of them end: nothing is left open on the other side.
            for socket in &mut accepted {
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.read_to_end(&mut Vec::new()).unwrap();
            }
        });
        let options = SshOptions {
            connect_timeout: Duration::from_millis(200),
            connect_retries: 2,
            retry_delay: Duration::from_millis(10),
            ..server.options()
        };
        let login = Login { port, ..server.login() };
        let error = refusal(SshConnector::new(options).connect(&login).await);
        assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
        let said = if words.starts_with("HTTP") { ", and said: HTTP/1.1 400 Bad Request" } else { "" };
        let expected = format!(
            "connect to 127.0.0.1:{port}: it took the connection, but spoke no SSH within 200ms{said}"
        );
        assert_eq!(error.reason, expected);
        tokio::task::spawn_blocking(|| accepting.join().unwrap()).await.unwrap();
    }
}

/// A connection that does not log in, and takes a place of `MaxStartups`: sshd has greeted it.
fn admitted(server: &Sshd) -> std::net::TcpStream {
    let mut admitted = None;
    until("sshd has a place", || {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let mut greeting = [0; 4];
        if socket.read_exact(&mut greeting).is_ok() && greeting == *b"SSH-" {
            admitted = Some(socket);
        }
        admitted.is_some()
    });
    admitted.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowded_server_is_asked_again() {
    let server = Sshd::start("MaxStartups 1:100:1");
    let crowd = admitted(&server);
    let options =
        SshOptions { connect_retries: 30, retry_delay: Duration::from_millis(50), ..server.options() };
    let login = server.login();
    let connecting = tokio::spawn(async move { SshConnector::new(options).connect(&login).await });
    let drops = |line: &str| line.contains("drop connection") && line.contains("maxstartups");
    comes("sshd dropped a connection", || server.log().to_lowercase().lines().any(drops)).await;
    drop(crowd);
    connecting.await.unwrap().unwrap().close().await;
    // Without retries it says why.
    let _crowd = admitted(&server);
    let options = SshOptions { connect_retries: 0, ..server.options() };
    let error = refusal(SshConnector::new(options).connect(&server.login()).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
    // Since 9.8 sshd answers before it does so.
    let told = ["it dropped the connection", "too many others log in (`MaxStartups`)"];
    assert!(told.iter().any(|words| error.reason.contains(words)), "{}", error.reason);
}

fn explained(reason: &str) {
    assert!(reason.contains("logins from this machine failed (`PerSourcePenalties`)"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_allow_it_now_is_explained_and_asked_again() {
    let server = Sshd::start("");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let login = Login { port: listener.local_addr().unwrap().port(), ..server.login() };
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, b"Not allowed at this time\r\n").unwrap();
        }
    });
    let options =
        SshOptions { connect_retries: 1, retry_delay: Duration::from_millis(50), ..server.options() };
    let error = refusal(SshConnector::new(options).connect(&login).await);
    answering.join().unwrap();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
    explained(&error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_punishes_failed_logins_is_explained() {
    if !certwave::lab::knows_penalties() {
        require::note("this sshd is older than OpenSSH 9.8, which brought `PerSourcePenalties`");
        return;
    }
    let server = Sshd::start("PerSourcePenalties authfail:60s noauth:60s min:1s");
    fs::write(server.path("authorized_keys"), "").unwrap();
    let mut reason = refusal(server.try_connect().await).reason;
    let deadline = Instant::now() + PATIENCE;
    while !reason.contains("PerSourcePenalties") && Instant::now() < deadline {
        reason = refusal(server.try_connect().await).reason;
    }
    explained(&reason);
}
