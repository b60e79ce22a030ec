//! The connection's end: a command that runs is left in doubt at once, and nothing is left on the host.

use std::fs;
use std::time::{Duration, Instant};

use certwave::model::Secret;
use certwave::ports::{
    Certainty, Connection, Connector, RemoteCommand, RemoteError, RemoteErrorKind, RemoteOutput,
};
use certwave::ssh::{SshConnection, SshConnector, SshOptions};
use nix::sys::signal::Signal;

use crate::processes::descendants;
use crate::support::{PATIENCE, Sshd, comes, command, exec, pattern};

/// A command that runs, and has said so in a file.
async fn start(
    server: &Sshd,
    connection: SshConnection,
    stdin: Option<Vec<u8>>,
) -> tokio::task::JoinHandle<(SshConnection, Result<RemoteOutput, RemoteError>)> {
    let started = server.path("started");
    let _ = fs::remove_file(&started);
    let line = format!("touch {}; sleep 20", started.display());
    let task = tokio::spawn(async move {
        let result = connection
            .exec(RemoteCommand { stdin: stdin.map(Secret::new).into_iter().collect(), ..command(&line) })
            .await;
        (connection, result)
    });
    comes("the command started", || started.exists()).await;
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_leaves_the_command_in_doubt_at_once() {
    let server = Sshd::start("");
    for stdin in [None, Some(pattern(8_000_000))] {
        let task = start(&server, server.connect().await, stdin).await;
        let killed = Instant::now();
        server.signal_connections(Signal::SIGKILL);
        let (connection, result) = task.await.unwrap();
        let error = result.unwrap_err();
        assert!(killed.elapsed() < PATIENCE, "{:?}", killed.elapsed());
        assert_eq!(
            (error.kind, error.certainty),
            (RemoteErrorKind::Unreachable, Certainty::MaybeSent),
            "{error:?}"
        );
        let error = connection.exec(command("true")).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (RemoteErrorKind::Unreachable, Certainty::NotSent),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_given_up_at_the_deadline() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    exec(&connection, "true").await;
    server.signal_connections(Signal::SIGSTOP);
    for stdin in [vec![], vec![Secret::new(pattern(8_000_000))]] {
        let begun = Instant::now();
        let frozen = RemoteCommand { stdin, deadline: Duration::from_millis(400), ..command("true") };
        let error = connection.exec(frozen).await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Timeout);
        assert!(begun.elapsed() < PATIENCE);
    }
    let begun = Instant::now();
    connection.close().await;
    assert!(begun.elapsed() < PATIENCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_noticed_by_keepalives() {
    let server = Sshd::start("");
    let options = SshOptions { keepalive: Duration::from_millis(100), ..server.options() };
    let connection = SshConnector::new(options).connect(&server.login()).await.unwrap();
    // An idle connection outlives many keepalives.
    assert_eq!(exec(&connection, "sleep 2; echo alive").await.stdout, b"alive\n");
    let task = start(&server, connection, None).await;
    server.signal_connections(Signal::SIGSTOP);
    let error = task.await.unwrap().1.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (RemoteErrorKind::Unreachable, Certainty::MaybeSent),
        "{error:?}"
    );
    assert!(error.reason.ends_with("the host fell silent"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_ends() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    assert!(!descendants(server.id()).is_empty());
    drop(connection);
    comes("sshd's processes ended", || descendants(server.id()).is_empty()).await;
    server.connect().await.close().await;
    comes("sshd's processes ended", || descendants(server.id()).is_empty()).await;
}
