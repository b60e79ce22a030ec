//! What is taken up after a controller died, and what after the rollout had ended.

use super::*;
use crate::rollout::{Baseline, Exposure};

#[test]
fn a_step_that_was_under_way_is_looked_at_first() {
    let cases = [
        (Step::Inspect, "a1 inspect", Exposure::None),
        (Step::Stage, "a1 inspect", Exposure::None),
        // It may have happened.
        (Step::Activate, "a1 inspect", Exposure::Reloaded),
        (Step::Verify, "a1 inspect", Exposure::Reloaded),
        (Step::Commit, "a1 inspect", Exposure::Reloaded),
    ];
    for (step, told, exposure) in cases {
        let mut story = Story::of(&[1]);
        story.go();
        while let HostPhase::Running(running) = story.host("a1").phase
            && running != step
        {
            story.ends("a1", good(running));
        }
        assert_eq!(story.resume(60), told, "{step:?}");
        assert_eq!(story.host("a1").exposure, exposure, "{step:?}");
    }
    let mut back = Story::of(&[1]);
    back.go();
    back.ends_at("a1", refused());
    assert_eq!(back.resume(60), "a1 rollback");
    assert_eq!(back.host("a1").exposure, Exposure::Switched);
}

/// What a controller that died saw before the switch is in its journal, and what is seen after it is not that.
#[test]
fn what_answered_nobody_before_the_switch_is_known_after_a_resume() {
    let silent = |port| Baseline { silent: vec![silent(port)], ..Baseline::default() };
    let mut story = Story::of(&[1]);
    story.go();
    story.ends("a1", StepEnded::Inspect(Ok(Inspected { baseline: silent(1), ..found() })));
    assert_eq!(story.host("a1").baseline, silent(1));
    story.ends("a1", StepEnded::Stage(Ok(silent(2))));
    assert_eq!(story.resume(60), "a1 inspect");
    assert_eq!(story.host("a1").baseline, silent(2));
    let now = Inspected { staged: true, baseline: silent(3), ..found() };
    assert_eq!(story.ends("a1", StepEnded::Inspect(Ok(now))), "a1 activate");
    assert_eq!(story.host("a1").baseline, silent(2));
    // Staged again, since its files were not as they should be.
    story.resume(60);
    assert_eq!(story.ends("a1", good(Step::Inspect)), "a1 stage");
    story.ends("a1", StepEnded::Stage(Ok(silent(3))));
    assert_eq!(story.host("a1").baseline, silent(2));
    // A host that was not switched is taken as it is now.
    let mut fresh = Story::of(&[1]);
    fresh.go();
    fresh.ends("a1", StepEnded::Inspect(Ok(Inspected { baseline: silent(1), ..found() })));
    fresh.resume(60);
    fresh.ends("a1", good(Step::Inspect));
    assert_eq!(fresh.host("a1").baseline, Baseline::default());
}

#[test]
fn hosts_that_were_left_within_the_budget_are_tried_again_and_the_others_are_not() {
    let mut story = Story::of(&[4]).may_fail(3);
    story.go();
    story.ends("a1", StepEnded::Inspect(Err(failed())));
    story.ends_at("a2", refused());
    story.ends("a2", good(Step::Rollback));
    story.ends("a3", StepEnded::Inspect(Ok(Inspected { proven: true, ..found() })));
    assert_eq!(story.change(&["a4"]), "a passes, incomplete");
    assert_eq!(story.resume(60), "wave a, a1 inspect, a2 inspect");
    assert_eq!((story.state.failures, story.state.proven, story.state.changed), (0, 2, 1));
    assert_eq!(story.change(&["a1", "a2"]), "a passes, succeeded");
}

#[test]
fn a_host_that_failed_is_not_tried_again_when_the_rollout_was_only_stopped() {
    for asked in [Event::Cancelled, Event::PauseRequested { by: "ann".to_owned() }] {
        let mut story = Story::of(&[3]).may_fail(1);
        story.schedule.waves[0].parallel = 2;
        story.go();
        story.end("a1", StepEnded::Inspect(Err(failed())));
        story.take(asked.clone());
        story.ends("a2", good(Step::Inspect));
        assert!(story.state.outcome.is_some(), "{asked:?}");
        assert_eq!(story.resume(60), "a2 inspect, a3 inspect", "{asked:?}");
    }
}

#[test]
fn a_wave_that_passed_is_not_watched_again_and_those_behind_it_stay_done() {
    let mut story = Story::of(&[1, 2, 1]).with(|schedule| schedule.waves[1].max_failures = 1);
    story.go();
    story.change(&["a1"]);
    story.ends("b1", StepEnded::Inspect(Err(failed())));
    story.change(&["b2"]);
    assert_eq!(story.change(&["c1"]), "c passes, incomplete");
    assert_eq!(story.resume(60), "wave b, b1 inspect");
    assert_eq!(story.change(&["b1"]), "b passes, succeeded");
}

#[test]
fn a_rollback_that_failed_is_tried_again_by_a_resume() {
    let mut story = Story::of(&[2]);
    story.go();
    story.change(&["a1"]);
    story.ends("a2", StepEnded::Inspect(Err(failed())));
    assert_eq!(story.ends("a1", StepEnded::Rollback(Err(failed()))), "needs_attention");
    assert_eq!(story.resume(60), "a1 rollback");
    assert_eq!(story.host("a1").error, None);
    assert_eq!(story.ends("a1", good(Step::Rollback)), "rolled_back");
}

#[test]
fn a_rollback_to_nothing_is_not_tried_again() {
    let mut story = Story::of(&[2]);
    story.go();
    story.ends("a1", StepEnded::Inspect(Ok(Inspected { previous: None, ..found() })));
    story.change(&["a1"]);
    story.ends("a2", StepEnded::Inspect(Err(failed())));
    assert_eq!(story.resume(60), "needs_attention");
}

#[test]
fn rollbacks_that_are_tried_again_begin_with_the_newest_wave() {
    let mut story = Story::of(&[1, 1, 1]);
    story.go();
    story.change(&["a1", "b1"]);
    story.ends("c1", StepEnded::Inspect(Err(failed())));
    story.ends("b1", StepEnded::Rollback(Err(failed())));
    assert_eq!(story.ends("a1", StepEnded::Rollback(Err(failed()))), "needs_attention");
    assert_eq!(story.resume(60), "b1 rollback");
    assert_eq!(story.ends("b1", good(Step::Rollback)), "a1 rollback");
}

#[test]
fn a_rollout_that_failed_begins_no_host_when_it_is_resumed() {
    let mut story = Story::of(&[2, 1]);
    story.schedule.waves[0].parallel = 1;
    story.go();
    assert_eq!(story.ends("a1", StepEnded::Inspect(Err(failed()))), "a fails: 1 of 2, 0 may, failed");
    assert_eq!(story.resume(60), "failed");
}

#[test]
fn a_host_that_was_tried_again_and_again_has_all_its_tries_after_a_resume() {
    let mut story = Story::of(&[2]).may_fail(1);
    story.go();
    story.ends("a1", StepEnded::Inspect(Err(unreachable())));
    story.change(&["a2"]);
    for wait in [5, 20] {
        story.pass(wait);
        story.go();
        story.ends("a1", StepEnded::Inspect(Err(unreachable())));
    }
    assert_eq!(story.resume(60), "wave a, a1 inspect");
    assert_eq!(story.ends("a1", StepEnded::Inspect(Err(unreachable()))), "again in 5s: a1, wait 5s");
}

#[test]
fn an_event_of_an_unknown_host_changes_nothing() {
    let mut story = Story::of(&[1]);
    story.go();
    let before = story.state.clone();
    story.take(Event::StepStarted { host: "z9".parse().unwrap(), step: Step::Inspect });
    story.take(Event::StepFinished { host: "z9".parse().unwrap(), ended: good(Step::Inspect) });
    story.take(Event::HostAbandoned { host: "z9".parse().unwrap() });
    assert_eq!(story.state, before);
}
