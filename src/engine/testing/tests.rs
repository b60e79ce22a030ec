//! The transcript itself.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Transcript, fits, ok};
use crate::ports::{Connection, HeldCommand};

#[test]
fn dots_stand_for_any_text() {
    for (expected, asked) in [("a", "a"), ("a…", "a b"), ("a…c", "abcbc"), ("…b…", "abc"), ("a…b…c", "a-b-c")]
    {
        assert!(fits(expected, asked), "{expected} is {asked}");
    }
    for (expected, asked) in [("a", "ab"), ("a…", "ba"), ("a…c", "ab"), ("a…b…c", "a-c-b")] {
        assert!(!fits(expected, asked), "{expected} is not {asked}");
    }
}

#[tokio::test]
#[should_panic = "asked:\ntask run commit\nexpected:\ntask run inspect"]
async fn what_is_not_in_the_transcript_fails_the_test() {
    let transcript = Transcript::new().then("task run inspect", ok(""));
    drop(transcript.host().ask("run commit", None, "", Duration::ZERO).await);
}

#[tokio::test]
#[should_panic = "asked:\nsocket /a: help"]
async fn what_a_socket_is_asked_out_of_turn_fails_the_test_though_nobody_waits_for_its_answer() {
    let transcript = Transcript::new().socket("/a", "show", "");
    let mut stream = transcript.host().socket(&"/a".parse().unwrap()).await.unwrap();
    stream.write_all(b"help").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[test]
#[should_panic = "never asked:\ntask run inspect"]
fn what_was_never_asked_fails_the_test() {
    drop(Transcript::new().then("task run inspect", ok("")));
}
