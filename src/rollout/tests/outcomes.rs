//! The words for how a rollout ended.

use super::*;
use crate::rollout::{RolloutOutcome, RolloutRecord};

/// How a rollout of two ends of which one, within the budget, fails at this step; and what follows if the other fails, too.
fn with_one_that(ended: StepEnded) -> (String, String) {
    let run = |other_fails: bool| {
        let mut story = Story::of(&[2]).may_fail(1);
        story.schedule.on_failure = OnFailure::Halt;
        story.go();
        story.ends_at("a1", ended.clone());
        if let HostPhase::Running(Step::Rollback) = story.host("a1").phase {
            story.ends("a1", good(Step::Rollback));
        }
        match other_fails {
            true => story.ends("a2", StepEnded::Inspect(Err(failed()))),
            false => story.change(&["a2"]),
        }
    };
    (run(false), run(true))
}

#[test]
fn a_rollout_is_no_success_where_a_host_failed() {
    let cases = [
        (StepEnded::Inspect(Err(failed())), "a passes, incomplete", "a fails: 2 of 2, 1 may, failed"),
        (refused(), "a passes, incomplete", "a fails: 2 of 2, 1 may, rolled_back"),
        (good(Step::Commit), "a passes, succeeded", "a passes, incomplete"),
    ];
    for (ended, within, beyond) in cases {
        let (told, told_beyond) = with_one_that(ended.clone());
        assert_eq!((told.as_str(), told_beyond.as_str()), (within, beyond), "{ended:?}");
    }
}

/// Some of it stays, and a person decides.
#[test]
fn a_failed_rollout_with_changed_hosts_needs_attention_though_others_went_back() {
    let mut story = Story::of(&[2]);
    story.schedule.on_failure = OnFailure::Halt;
    story.go();
    story.change(&["a1"]);
    story.ends_at("a2", refused());
    assert_eq!(story.ends("a2", good(Step::Rollback)), "a fails: 1 of 2, 0 may, needs_attention");
}

#[test]
fn a_rollout_of_hosts_that_have_it_all_is_unchanged_and_any_other_is_a_success() {
    let has_it = || StepEnded::Inspect(Ok(Inspected { proven: true, ..found() }));
    let mut all = Story::of(&[2]);
    all.go();
    all.ends("a1", has_it());
    assert_eq!(all.ends("a2", has_it()), "a passes, unchanged");
    let mut one = Story::of(&[2]);
    one.go();
    one.ends("a1", has_it());
    assert_eq!(one.change(&["a2"]), "a passes, succeeded");
}

#[test]
fn what_is_finished_and_what_is_left_to_do() {
    use RolloutOutcome::{
        Failed, Incomplete, Interrupted, NeedsAttention, Paused, RolledBack, Succeeded, Unchanged,
    };
    let is_unfinished = |outcome| {
        let record = RolloutRecord {
            id: "01JD0000000000000000000000".parse().unwrap(),
            certificate: "a.test".parse().unwrap(),
            version: version(1),
            playbook: "a.yaml".to_owned(),
            started: start(),
            outcome,
            origin: None,
        };
        record.is_unfinished()
    };
    for left in [None, Some(Incomplete), Some(Interrupted), Some(NeedsAttention), Some(Paused)] {
        assert!(is_unfinished(left), "{left:?}");
    }
    for done in [Failed, RolledBack, Succeeded, Unchanged] {
        assert!(!is_unfinished(Some(done)), "{done:?}");
    }
}
