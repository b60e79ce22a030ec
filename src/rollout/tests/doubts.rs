//! What becomes of a host when it cannot be known whether a step happened.

use super::*;
use crate::rollout::Exposure;

/// A host of its own, where every failure is within the budget.
fn one() -> Story {
    let mut story = Story::of(&[1]).may_fail(1);
    story.go();
    story
}

#[test]
fn a_step_in_doubt_is_looked_at_once_more_and_no_more() {
    for doubtful in [StepEnded::Inspect(Err(in_doubt())), StepEnded::Stage(Err(in_doubt()))] {
        let mut story = one();
        assert_eq!(story.ends_at("a1", doubtful.clone()), "a1 inspect");
        let told = story.ends_at("a1", doubtful.clone());
        assert!(told.starts_with("again in 5s: a1"), "{doubtful:?}: {told}");
        assert_eq!(story.outcome("a1"), HostOutcome::Unreachable);
        assert_eq!(story.host("a1").error.as_deref(), Some("the line went dead"));
    }
}

/// It may serve the new certificate.
#[test]
fn a_switch_that_stays_in_doubt_goes_back() {
    let mut story = one();
    assert_eq!(story.ends_at("a1", StepEnded::Activate(Err(in_doubt()))), "a1 inspect");
    assert_eq!(story.host("a1").exposure, Exposure::Reloaded);
    assert_eq!(story.ends_at("a1", StepEnded::Activate(Err(in_doubt()))), "a1 rollback");
}

#[test]
fn a_confirmation_that_was_not_heard_is_looked_at_once_more_and_then_goes_back() {
    let refused = StepEnded::Commit(Ok(Committed::Refused { reason: "it is another's".to_owned() }));
    for doubtful in [refused, StepEnded::Commit(Err(in_doubt())), StepEnded::Commit(Err(unreachable()))] {
        let mut story = one();
        assert_eq!(story.ends_at("a1", doubtful.clone()), "a1 inspect", "{doubtful:?}");
        let proven = StepEnded::Inspect(Ok(Inspected { proven: true, staged: true, ..found() }));
        assert_eq!(story.ends("a1", proven), "a1 verify", "proven, and not yet final");
        assert_eq!(story.ends_at("a1", doubtful.clone()), "a1 rollback", "{doubtful:?}");
    }
}

#[test]
fn a_proven_host_is_done_though_old_versions_are_left_on_it() {
    let mut story = one();
    let told = story.ends_at("a1", StepEnded::Commit(Err(failed())));
    assert_eq!(told, "a passes, succeeded");
    assert_eq!(story.host("a1").error.as_deref(), Some("old versions were not pruned: it would not"));
}

#[test]
fn a_rollback_in_doubt_is_tried_so_often_and_then_needs_a_person() {
    for doubtful in [StepFailure::InDoubt { reason: "?".to_owned() }, unreachable()] {
        let mut story = one();
        story.ends_at("a1", disproven(EndpointState::Previous));
        for pause in [1, 2, 4] {
            let told = story.ends("a1", StepEnded::Rollback(Err(doubtful.clone())));
            assert_eq!(told, format!("a1 away for {pause}s, wait {pause}s"));
            story.pass(pause);
            assert_eq!(story.go(), "a1 rollback");
        }
        let told = story.ends("a1", StepEnded::Rollback(Err(doubtful)));
        assert_eq!(told, "a fails: nothing proven, needs_attention");
        assert_eq!(story.outcome("a1"), HostOutcome::RollbackFailed);
        // The first reason is the cause.
        assert_eq!(story.host("a1").error.as_deref(), Some("it serves something else"));
    }
}

#[test]
fn a_rollback_of_the_whole_fleet_has_tries_of_its_own() {
    let mut story = Story::of(&[1, 1]);
    story.go();
    story.ends_at("a1", StepEnded::Commit(Err(in_doubt())));
    story.change(&["a1"]);
    story.ends("b1", StepEnded::Inspect(Err(failed())));
    for pause in [1, 2, 4] {
        let told = story.ends("a1", StepEnded::Rollback(Err(in_doubt())));
        assert_eq!(told, format!("a1 away for {pause}s, wait {pause}s"));
        story.pass(pause);
        assert_eq!(story.go(), "a1 rollback");
    }
    assert_eq!(story.ends("a1", StepEnded::Rollback(Err(in_doubt()))), "needs_attention");
}

#[test]
fn a_rollback_that_failed_tells_its_cause_and_is_not_tried_again() {
    let mut story = one();
    story.ends_at("a1", disproven(EndpointState::Previous));
    let told = story.ends("a1", StepEnded::Rollback(Err(failed())));
    assert_eq!(told, "a fails: nothing proven, needs_attention");
    let error = story.host("a1").error.as_deref();
    assert_eq!(error, Some("it serves something else; rollback failed: it would not"));
}

#[test]
fn a_rollback_that_failed_for_the_same_reason_tells_it_once() {
    let mut story = one();
    story.ends_at("a1", StepEnded::Activate(Err(failed())));
    story.ends("a1", StepEnded::Rollback(Err(failed())));
    assert_eq!(story.host("a1").error.as_deref(), Some("it would not"));
}

/// What a rollback is told decides whether it reloads: what was never reloaded serves on as it did.
#[test]
fn how_far_a_switch_came_is_known_when_its_host_goes_back() {
    use Exposure::{None, Reloaded, Switched};
    let cases = [
        (refused(), Switched, "a1 rollback"),
        (StepEnded::Activate(Err(failed())), Reloaded, "a1 rollback"),
        (StepEnded::Activate(Err(in_doubt())), Reloaded, "a1 inspect"),
        (good(Step::Activate), Reloaded, "a1 verify"),
        // Nothing was sent.
        (StepEnded::Activate(Err(unreachable())), None, "again in 5s: a1, wait 5s"),
    ];
    for (ended, exposure, told) in cases {
        let mut story = one();
        assert_eq!(story.ends_at("a1", ended.clone()), told, "{ended:?}");
        assert_eq!(story.host("a1").exposure, exposure, "{ended:?}");
    }
}

#[test]
fn a_refused_switch_after_one_in_doubt_is_reloaded_all_the_same() {
    let mut story = one();
    story.ends_at("a1", StepEnded::Activate(Err(in_doubt())));
    assert_eq!(story.ends_at("a1", refused()), "a1 rollback");
    assert_eq!(story.host("a1").exposure, Exposure::Reloaded);
}

#[test]
fn a_verification_that_breaks_off_goes_back() {
    for failure in [failed(), unreachable(), in_doubt()] {
        let mut story = one();
        assert_eq!(
            story.ends_at("a1", StepEnded::Verify(Err(failure.clone()))),
            "a1 rollback",
            "{failure:?}"
        );
    }
}

/// By then the new version is what is live on the disk.
#[test]
fn what_a_host_goes_back_to_is_what_it_had_before_the_switch() {
    let mut story = one();
    story.ends_at("a1", StepEnded::Activate(Err(in_doubt())));
    let now = Inspected { previous: Some(previous(2, 86_400)), ..found() };
    story.ends("a1", StepEnded::Inspect(Ok(now)));
    assert_eq!(story.host("a1").previous, Some(previous(1, 86_400)));
}

#[test]
fn what_a_host_goes_back_to_is_looked_up_again_while_nothing_was_switched() {
    let mut story = one();
    story.ends_at("a1", StepEnded::Stage(Err(in_doubt())));
    let now = Inspected { previous: Some(previous(2, 86_400)), ..found() };
    story.ends("a1", StepEnded::Inspect(Ok(now)));
    assert_eq!(story.host("a1").previous, Some(previous(2, 86_400)));
}
