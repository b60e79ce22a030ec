//! Hosts that cannot be reached are tried again: a few times, when all others are done.

use super::*;
use crate::plan::batches;

fn away() -> StepEnded {
    StepEnded::Inspect(Err(unreachable()))
}

#[test]
fn an_unreachable_host_is_tried_again_after_5_and_after_20_seconds_and_then_given_up() {
    let mut story = Story::of(&[2]).may_fail(1);
    story.go();
    assert_eq!(story.ends("a1", away()), "", "the others come first");
    assert_eq!(story.change(&["a2"]), "again in 5s: a1, wait 5s");
    story.pass(4);
    assert_eq!(story.go(), "wait 1s");
    story.pass(1);
    assert_eq!(story.go(), "again, a1 inspect");
    assert_eq!(story.ends("a1", away()), "again in 20s: a1, wait 20s");
    story.pass(20);
    assert_eq!(story.go(), "again, a1 inspect");
    assert_eq!(story.ends("a1", away()), "a passes, incomplete");
    assert_eq!(story.outcome("a1"), HostOutcome::Unreachable);
}

/// Its place in the budget is free again: else its second failure would be one too many.
#[test]
fn a_host_that_is_tried_again_has_not_failed() {
    let mut story = Story::of(&[3]).may_fail(1);
    story.go();
    story.ends("a1", away());
    story.change(&["a2", "a3"]);
    story.pass(5);
    assert_eq!(story.go(), "again, a1 inspect");
    assert_eq!(story.state.failures, 0);
    assert_eq!(story.outcome("a1"), HostOutcome::Untouched);
    assert_eq!(story.change(&["a1"]), "a passes, succeeded");
}

#[test]
fn only_hosts_that_could_not_be_reached_are_tried_again() {
    let mut story = Story::of(&[4]).may_fail(3);
    story.go();
    story.ends("a1", StepEnded::Inspect(Err(failed())));
    story.ends_at("a2", refused());
    story.ends("a2", good(Step::Rollback));
    story.ends("a3", away());
    assert_eq!(story.change(&["a4"]), "again in 5s: a3, wait 5s");
}

#[test]
fn hosts_are_tried_again_by_their_batches() {
    let mut story = Story::of(&[3]).may_fail(2).with(|schedule| {
        schedule.waves[0].batches = batches(0..3, &["1".parse().unwrap()]);
    });
    assert_eq!(story.go(), "wave a, a1 inspect");
    assert_eq!(story.ends("a1", away()), "a2 inspect");
    assert_eq!(story.change(&["a2"]), "a3 inspect");
    assert_eq!(story.ends("a3", away()), "again in 5s: a1 a3, wait 5s");
    story.pass(5);
    assert_eq!(story.go(), "again, a1 inspect");
    assert_eq!(story.change(&["a1"]), "a3 inspect");
}

#[test]
fn each_wave_has_tries_of_its_own() {
    let mut story = Story::of(&[2, 2]).may_fail(1);
    story.go();
    story.ends("a1", away());
    story.change(&["a2"]);
    for wait in [5, 20] {
        story.pass(wait);
        story.go();
        story.ends("a1", away());
    }
    story.ends("b1", away());
    assert_eq!(story.change(&["b2"]), "again in 5s: b1, wait 5s");
}

#[test]
fn a_wait_for_another_try_is_cut_short_by_a_deadline() {
    let mut story = Story::of(&[2]).may_fail(1).with(|schedule| {
        schedule.waves[0].deadline = Some(seconds(3));
    });
    story.go();
    story.ends("a1", away());
    assert_eq!(story.change(&["a2"]), "again in 5s: a1, wait 3s");
    story.pass(3);
    assert_eq!(story.go(), "a fails: not over in 3s, back: a2, a2 rollback");
}

/// How long nobody drove it is not known.
#[test]
fn after_a_resume_nothing_is_waited_for() {
    let mut story = Story::of(&[2]).may_fail(1);
    story.go();
    story.ends("a1", away());
    story.change(&["a2"]);
    assert_eq!(story.resume(0), "again, a1 inspect");
}
