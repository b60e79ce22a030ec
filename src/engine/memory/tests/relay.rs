//! A socket that the login may not open, asked through a relay on the host.

use super::haproxy::{NAME, SOCKET, one, settings, world};
use super::ready;
use crate::engine::testing::{Answer, Transcript, ended, maybe_sent, not_sent, ok};
use crate::ports::RemoteErrorKind;

/// What a relay makes of a question.
fn relayed(question: &str, answer: Answer) -> Transcript {
    let refused = not_sent(RemoteErrorKind::Protocol, "open failed");
    let size = question.len();
    Transcript::new()
        .then(format!("socket {SOCKET}"), refused)
        .then(format!("exec …{SOCKET}… < {size} B"), answer)
}

fn list(answer: Answer) -> Transcript {
    relayed("show ssl crt-list\n", ok("/list\n\n")).and(relayed("show ssl cert\n", answer))
}

#[tokio::test]
async fn what_a_relay_brought_is_an_answer_however_it_ended() {
    let names = format!("# filename\n{NAME}\n\n");
    for status in [0, 1, 141] {
        assert_eq!(ready(&one(), list(ended(status, &names, "socat: broken pipe\n"))).await, Ok(()));
    }
}

#[tokio::test]
async fn a_relay_that_brought_nothing_and_failed_is_told_with_its_last_words() {
    for (status, said, words) in
        [(1, "socat[1] W odd\nsocat[1] E refused\n\n", "socat[1] E refused"), (127, "\n", "it said nothing")]
    {
        let reason = ready(&one(), list(ended(status, "", said))).await.unwrap_err();
        assert!(
            reason.ends_with(&format!("open failed; and through the host's own tools: {words}")),
            "{reason}"
        );
    }
    let reason = ready(&one(), list(maybe_sent("the connection was reset"))).await.unwrap_err();
    assert!(reason.ends_with("the connection was reset"), "{reason}");
    // One that ended well brought what there was: nothing.
    let reason = ready(&one(), list(ok(""))).await.unwrap_err();
    assert!(reason.ends_with("`show ssl cert` got no answer"), "{reason}");
}

#[tokio::test]
async fn a_relay_runs_as_who_the_inventory_says() {
    let mut world = world(settings(&[SOCKET]));
    world.host_mut().login.become_user = Some("haproxy".to_owned());
    let refused = not_sent(RemoteErrorKind::Protocol, "open failed");
    let said = Transcript::new()
        .then(format!("socket {SOCKET}"), refused)
        .then("exec exec sudo -n -u 'haproxy' -- sh -c …", ended(1, "", "sudo: a password is required\n"));
    assert!(ready(&world, said).await.unwrap_err().ends_with("sudo: a password is required"));
}
