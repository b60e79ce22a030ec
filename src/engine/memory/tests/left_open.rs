//! A transaction of ours in HAProxy's runtime API never stays open. The next `set` would join it.

use super::haproxy::{NAME, SOCKET, one, settings, to, world};
use super::{ready, take};
use crate::engine::testing::certificates;
use crate::service::Haproxy;

#[tokio::test]
async fn one_of_ours_is_ended_where_the_certificate_is_in_memory_already() {
    let new = &certificates().new;
    let said =
        to(SOCKET).list(Some(NAME), &[NAME]).holding(new).aborted(NAME).created().committed().holding(new);
    assert_eq!(take(&one(), said.0).await, Ok(()));
}

#[tokio::test]
async fn one_of_ours_is_ended_before_another_is_begun() {
    let all = certificates();
    let said = to(SOCKET)
        .list(Some(NAME), &[NAME])
        .holding(&all.old)
        .aborted(NAME)
        .created()
        .committed()
        .holding(&all.new);
    assert_eq!(take(&one(), said.0).await, Ok(()));
}

#[tokio::test]
async fn one_that_failed_without_a_word_is_ended() {
    let old = &certificates().old;
    let open = |said: super::haproxy::Said| said.list(Some(NAME), &[NAME]).aborted(NAME);
    // To what is too long for its buffer HAProxy 2.6 answers nothing.
    let said = open(to(SOCKET).list(None, &[NAME]).holding(old).set(""));
    let reason = take(&one(), said.0).await.unwrap_err();
    assert!(reason.ends_with("got no answer"), "{reason}");
    let commit = format!("commit ssl cert {NAME}\n");
    let said = open(to(SOCKET).list(None, &[NAME]).holding(old).created().asked(&commit, ""));
    let reason = take(&one(), said.0).await.unwrap_err();
    assert!(reason.ends_with("got no answer"), "{reason}");
}

#[tokio::test]
async fn one_for_a_certificate_that_haproxy_does_not_have_yet_is_ours_by_its_path() {
    let haproxy = Haproxy { crt_list: Some("/etc/haproxy/list".parse().unwrap()), ..settings(&[SOCKET]) };
    let ours = to(SOCKET).admin().list(Some(NAME), &["other.pem"]).leads("").aborted(NAME);
    assert_eq!(ready(&world(haproxy.clone()), ours.0).await, Ok(()));
    let theirs = to(SOCKET).admin().list(Some("other.pem"), &["other.pem"]).leads("");
    let reason = ready(&world(haproxy), theirs.0).await.unwrap_err();
    assert!(reason.contains("somebody else has a transaction open for `other.pem`"), "{reason}");
}
