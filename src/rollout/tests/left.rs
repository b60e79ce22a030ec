//! What a host is found with that an earlier rollout left there.

use super::*;

/// What follows when a host is found so: whether it proves the version, has it staged, and waits for its confirmation.
fn follows(proven: bool, staged: bool, armed: bool) -> (String, HostOutcome) {
    let mut story = Story::of(&[1]);
    story.go();
    let told = story.ends("a1", StepEnded::Inspect(Ok(Inspected { proven, staged, armed, ..found() })));
    (told, story.outcome("a1"))
}

#[test]
fn a_host_is_begun_where_an_earlier_rollout_left_it() {
    use HostOutcome::{RollbackFailed, Unchanged, Untouched};
    let cases = [
        ("it has nothing", follows(false, false, false), ("a1 stage", Untouched)),
        ("staged", follows(false, true, false), ("a1 activate", Untouched)),
        ("proven", follows(true, true, false), ("a passes, unchanged", Unchanged)),
        ("proven, not staged", follows(true, false, false), ("a passes, unchanged", Unchanged)),
        // Its dead-man switch would take it back: it is not done before it is confirmed.
        ("armed and proven", follows(true, true, true), ("a1 verify", RollbackFailed)),
        ("armed, not proven", follows(false, true, true), ("a1 activate", RollbackFailed)),
    ];
    for (what, (told, outcome), expected) in cases {
        assert_eq!((told.as_str(), outcome), expected, "{what}");
    }
}

#[test]
fn a_host_that_waits_for_its_confirmation_gets_it() {
    let mut story = Story::of(&[1]);
    story.go();
    let armed = Inspected { proven: true, staged: true, armed: true, ..found() };
    story.ends("a1", StepEnded::Inspect(Ok(armed)));
    assert_eq!(story.ends("a1", good(Step::Verify)), "a1 commit");
    assert_eq!(story.ends("a1", good(Step::Commit)), "a passes, succeeded");
    assert_eq!(story.outcome("a1"), HostOutcome::Changed);
}

/// It may be live there already.
#[test]
fn an_armed_host_that_fails_goes_back() {
    let mut story = Story::of(&[1]);
    story.go();
    story.ends("a1", StepEnded::Inspect(Ok(Inspected { armed: true, ..found() })));
    assert_eq!(story.ends("a1", StepEnded::Stage(Err(failed()))), "a1 rollback");
}

#[test]
fn a_host_that_was_switched_needs_a_person_until_it_is_done() {
    let mut story = Story::of(&[1]);
    story.go();
    story.ends("a1", good(Step::Inspect));
    assert_eq!(story.outcome("a1"), HostOutcome::Untouched);
    story.ends("a1", good(Step::Stage));
    assert_eq!(story.outcome("a1"), HostOutcome::Untouched);
    for step in [Step::Activate, Step::Verify] {
        story.ends("a1", good(step));
        assert_eq!(story.outcome("a1"), HostOutcome::RollbackFailed);
    }
    story.ends("a1", good(Step::Commit));
    assert_eq!(story.outcome("a1"), HostOutcome::Changed);
}
