//! Commands: their input, output and status, and how many run at once.

use std::fs;
use std::time::Duration;

use certwave::model::Secret;
use certwave::ports::{Certainty, Connection, RemoteCommand, RemoteErrorKind, RemoteOutput};

use crate::support::{Sshd, command, exec, pattern};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_input_and_gives_output_errors_and_status() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let stdin = pattern(5_000_000);
    fs::write(server.path("expected"), &stdin).unwrap();
    let line = format!("cmp - {} && echo out && echo err >&2; exit 7", server.path("expected").display());
    let output =
        connection.exec(RemoteCommand { stdin: vec![Secret::new(stdin)], ..command(&line) }).await.unwrap();
    assert_eq!(output, RemoteOutput { status: 7, stdout: b"out\n".to_vec(), stderr: b"err\n".to_vec() });
    // Without input, standard input has ended.
    assert_eq!(exec(&connection, "cat; echo end").await.stdout, b"end\n");
    connection.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_read_its_input_still_ends() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let stdin = vec![Secret::new(pattern(8_000_000))];
    let output = connection.exec(RemoteCommand { stdin, ..command("true") }).await.unwrap();
    assert_eq!(output.status, 0);
    assert_eq!(exec(&connection, "echo next").await.stdout, b"next\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_limited_and_drained() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let output = exec(&connection, "head -c 1048576 /dev/zero").await;
    assert_eq!(output.stdout.len(), 1 << 20);
    let error = connection.exec(command("yes")).await.unwrap_err();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::MaybeSent));
    assert_eq!(error.reason, "run the command: it printed more than 1048576 bytes");
    let output = exec(&connection, "head -c 3000000 /dev/zero >&2; echo done").await;
    assert_eq!((output.stderr.len(), output.stdout.as_slice()), (1 << 20, &b"done\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_a_status_as_in_a_shell() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    assert_eq!(exec(&connection, "kill -TERM $$").await.status, 143);
    assert_eq!(exec(&connection, "kill -KILL $$").await.status, 137);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_leaves_the_command_in_doubt_and_the_connection_usable() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let slow = RemoteCommand { deadline: Duration::from_secs(3), ..command("sleep 20") };
    let error = connection.exec(slow).await.unwrap_err();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Timeout, Certainty::MaybeSent));
    assert_eq!(error.reason, "run the command: it was not done within 3s, and may still run");
    assert_eq!(exec(&connection, "echo next").await.stdout, b"next\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_at_once_take_turns() {
    for limit in ["", "MaxSessions 2"] {
        let server = Sshd::start(limit);
        let connection = server.connect().await;
        let all = (0..30).map(|i| {
            let connection = &connection;
            async move { exec(connection, &format!("sleep 0.05; echo {i}")).await.stdout }
        });
        let outputs = futures_util::future::join_all(all).await;
        for (i, output) in outputs.into_iter().enumerate() {
            assert_eq!(String::from_utf8(output).unwrap(), format!("{i}\n"));
        }
    }
}

/// The host counts a session until its command is over, though its channel was closed long before.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_host_still_counts_is_waited_for() {
    let server = Sshd::start("MaxSessions 1");
    let connection = server.connect().await;
    let slow = RemoteCommand { deadline: Duration::from_secs(1), ..command("sleep 3") };
    assert_eq!(connection.exec(slow).await.unwrap_err().kind, RemoteErrorKind::Timeout);
    assert_eq!(exec(&connection, "echo next").await.stdout, b"next\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_sessions_is_told_apart() {
    let server = Sshd::start("MaxSessions 0");
    let error = server.connect().await.exec(command("true")).await.unwrap_err();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::NotSent));
    assert!(error.reason.contains("MaxSessions"), "{}", error.reason);
}
