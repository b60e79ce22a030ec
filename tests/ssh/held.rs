//! Commands that are held, and answer line by line.

use std::time::Duration;

use certwave::model::Secret;
use certwave::ports::{Certainty, Connection, HeldCommand, RemoteErrorKind};

use crate::support::{PATIENCE, Sshd, comes, command, exec, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_lasts_until_it_is_dropped() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let over = server.path("over");
    let line = format!("echo LOCKED; echo more; cat > /dev/null; touch {}", over.display());
    let (first, held) = connection.hold(command(&line)).await.unwrap().unwrap();
    assert_eq!(first, "LOCKED");
    // Other commands run beside it.
    exec(&connection, "sleep 0.2").await;
    assert!(!over.exists());
    drop(held);
    comes("the held command's input ended", || over.exists()).await;
    // One that prints no line gives its output.
    let output = connection.hold(command("printf busy; exit 75")).await.unwrap().unwrap_err();
    assert_eq!((output.status, output.stdout.as_slice()), (75, &b"busy"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_answers_line_by_line() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let line = "echo READY; while IFS= read -r line; do eval \"$line\"; echo \"ended $?\"; done";
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let ask = async |line: &str, patience| held.ask(line, None, "ended ", patience).await;
    let said = ask("echo one; (exit 75)", PATIENCE).await.unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((said.status, words(&said.stdout)), (75, "one\n".to_owned()));
    // Long answers come whole, and nothing of one is taken for the next.
    let said = ask("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i + 1)); done", PATIENCE).await.unwrap();
    assert!(words(&said.stdout).ends_with("\n19998\n19999\n"));
    assert_eq!(words(&ask("echo three", PATIENCE).await.unwrap().stdout), "three\n");
    // What goes with a line follows it, however long it is: more than a window, and more than a pipe holds.
    let payload = Secret::new(b"0123456789abcde\n".repeat(250_000));
    let line_of = format!("head -c {} | cksum", payload.size());
    let said = held.ask(&line_of, Some(payload), "ended ", PATIENCE).await.unwrap();
    assert!(words(&said.stdout).ends_with(" 4000000\n"), "{}", words(&said.stdout));
    assert_eq!(words(&ask("echo and on", PATIENCE).await.unwrap().stdout), "and on\n");
    // Nor does it have to be read.
    let unread =
        held.ask("echo enough; exit 3", Some(Secret::new(vec![b'x'; 5_000_000])), "ended ", PATIENCE);
    assert_eq!(refusal(unread.await).certainty, Certainty::MaybeSent);
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let ask = async |line: &str, patience| held.ask(line, None, "ended ", patience).await;
    // What it says unasked is the answer to nobody's question, unless that is what is waited for.
    let ahead = "echo READY; echo one; (exit 4); echo \"ended $?\"; cat";
    let (_, held) = connection.hold(command(ahead)).await.unwrap().unwrap();
    let said = held.answer("ended ", PATIENCE).await.unwrap();
    assert_eq!((said.status, words(&said.stdout)), (4, "one\n".to_owned()));
    // One that ends in the middle of a task may have done a part of it; then nothing is sent any more.
    let error = refusal(ask("exit 1", PATIENCE).await);
    assert_eq!(error.certainty, Certainty::MaybeSent, "{error:?}");
    let error = refusal(ask("echo four", PATIENCE).await);
    assert_eq!(error.certainty, Certainty::NotSent, "{error:?}");
    assert!(error.reason.contains("has ended"), "{error:?}");
    // What takes too long may still run.
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let error = refusal(held.ask("sleep 600", None, "ended ", Duration::from_millis(100)).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Timeout, Certainty::MaybeSent));
    drop(held);
    // The connection serves others, and its end is told to whoever waits.
    assert_eq!(exec(&connection, "echo five").await.stdout, b"five\n");
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let begun = server.path("begun");
    let task = format!(": >{}; sleep 600", begun.display());
    let waiting = tokio::spawn(async move { held.ask(&task, None, "ended ", PATIENCE).await });
    comes("the task began", || begun.exists()).await;
    drop(connection);
    assert_eq!(refusal(waiting.await.unwrap()).certainty, Certainty::MaybeSent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_ends_with_its_connection() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let over = server.path("over");
    let line = format!("echo LOCKED; cat > /dev/null; touch {}", over.display());
    let (_, held) = connection.hold(command(&line)).await.unwrap().unwrap();
    drop(connection);
    comes("the held command's input ended", || over.exists()).await;
    drop(held);
}
