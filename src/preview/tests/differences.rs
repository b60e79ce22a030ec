//! What keeps a saved plan from being carried out on a host.

use super::*;
use crate::preview::{SeenDown, differences};
use crate::rollout::Undone;

#[test]
fn each_difference_of_a_host_is_told() {
    type Change = fn(&mut SeenHost);
    let cases: [(Change, &[&str]); 14] = [
        (|_| {}, &[]),
        (|host| host.clock_ahead = 99, &[]),
        (
            |host| host.live = Some(version(2)),
            &["its live version was 20270115T080000Z-01010101, and is 20270115T080000Z-02020202"],
        ),
        (|host| host.live = None, &["its live version was 20270115T080000Z-01010101, and is none"]),
        (|host| host.on_disk = vec![leaf(2, 86_400)], &["another certificate is on its disk"]),
        (|host| host.previous = None, &["it would go back to none, and not to 20270115T080000Z-01010101"]),
        (
            |host| host.previous.as_mut().unwrap().revoked = true,
            &["it would go back to 20270115T080000Z-01010101, and not to 20270115T080000Z-01010101"],
        ),
        (|host| host.proven = true, &["what is staged or confirmed on it changed"]),
        (|host| host.staged = true, &["what is staged or confirmed on it changed"]),
        (|host| host.unconfirmed = true, &["what is staged or confirmed on it changed"]),
        (|host| host.links = vec![LinkState::Missing], &["its links changed"]),
        (|host| host.problems = vec!["no room".to_owned(), "no tar".to_owned()], &["no room; no tar"]),
        (|host| host.reads.clear(), &["what its servers' configurations name changed"]),
        (|host| host.served[0].leaf = None, &["it serves something else"]),
    ];
    let before = host(&plan(""));
    for (change, words) in cases {
        let mut now = before.clone();
        change(&mut now);
        assert_eq!(differences(&seen(before.clone()), &seen(now)), words);
    }
}

#[test]
fn a_server_that_was_stopped_and_a_switch_that_was_undone_are_told() {
    let before = host(&plan(""));
    let mut stopped = before.clone();
    stopped.down = vec![SeenDown { service: "nginx".parse().unwrap(), reason: "no pid file".to_owned() }];
    assert_eq!(differences(&seen(before.clone()), &seen(stopped)), ["a server of it was stopped or started"]);
    let mut undone = before.clone();
    undone.undone = Some(Undone { at: start(), target: version(2), previous: version(1), problem: None });
    let words = differences(&seen(before.clone()), &seen(undone));
    assert_eq!(words, ["what is staged or confirmed on it changed"]);
    let mut mended = before.clone();
    mended.problems = vec!["no room".to_owned()];
    assert_eq!(differences(&seen(mended), &seen(before)), ["what stood in the way was mended"]);
}

#[test]
fn a_host_that_came_or_went_is_told() {
    let there = || seen(host(&plan("")));
    let cases = [
        (there(), missed("timed out", true), &["it is away: timed out"][..]),
        (missed("timed out", true), there(), &["it was away, and is there again"]),
        // It is as much away as it was.
        (missed("timed out", true), missed("refused", true), &[]),
        (missed("no tar", false), missed("no sudo", false), &[]),
        (missed("timed out", true), missed("no sudo", false), &["no sudo"]),
    ];
    for (before, now, words) in cases {
        assert_eq!(differences(&before, &now), words, "{before:?}");
    }
}
