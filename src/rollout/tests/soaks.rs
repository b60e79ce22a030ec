//! How long a wave is watched, and what that comes to.

use super::*;
use crate::rollout::Phase;

/// A wave of three whose soak has just begun.
fn soaking(on_failure: OnFailure) -> Story {
    let mut story = Story::of(&[3]).soaking().with(|schedule| schedule.on_failure = on_failure);
    story.go();
    assert_eq!(story.change(&["a1", "a2", "a3"]), "soak 60s, wait 60s");
    story
}

#[test]
fn a_wave_passes_when_its_soak_is_over_and_was_measured() {
    let mut story = soaking(OnFailure::Rollback);
    story.pass(59);
    assert_eq!(story.measure(9, 0, &[]), "wait 1s");
    story.pass(1);
    assert_eq!(story.go(), "a passes, succeeded");
    let mut unasked = soaking(OnFailure::Rollback);
    unasked.pass(60);
    assert_eq!(unasked.go(), "observe");
    assert_eq!(unasked.measure(9, 0, &[]), "a passes, succeeded");
}

#[test]
fn a_soak_in_which_nothing_was_measured_pauses() {
    let mut story = soaking(OnFailure::Rollback);
    story.pass(60);
    assert_eq!(story.measure(0, 0, &[]), "inconclusive");
}

#[test]
fn the_last_measurement_of_a_soak_counts() {
    let mut story = soaking(OnFailure::Rollback);
    assert_eq!(story.measure(0, 0, &[]), "wait 60s");
    story.pass(60);
    assert_eq!(story.measure(9, 0, &[]), "a passes, succeeded");
}

#[test]
fn one_failed_handshake_fails_a_wave_at_once() {
    let mut story = soaking(OnFailure::Rollback);
    story.pass(1);
    assert_eq!(
        story.measure(999, 1, &["a2"]),
        "a fails: soak, back: a1 a2 a3, a1 rollback, a2 rollback, a3 rollback"
    );
}

#[test]
fn of_a_wave_that_failed_its_soak_rollback_host_takes_only_hosts_back_that_failed_it() {
    let mut story = soaking(OnFailure::RollbackHost);
    story.pass(1);
    assert_eq!(story.measure(9, 2, &["a3", "a1"]), "a fails: soak, back: a1 a3, a1 rollback, a3 rollback");
    story.ends("a1", good(Step::Rollback));
    assert_eq!(story.ends("a3", good(Step::Rollback)), "needs_attention");
    assert_eq!(story.outcome("a2"), HostOutcome::Changed);
    assert_eq!(story.outcome("a1"), HostOutcome::RolledBack);
}

/// A handshake that no host is known to have failed.
#[test]
fn rollback_host_takes_nobody_back_who_did_not_fail() {
    let mut story = soaking(OnFailure::RollbackHost);
    assert_eq!(story.measure(9, 1, &[]), "a fails: soak, needs_attention");
}

#[test]
fn rollback_host_leaves_earlier_waves_alone() {
    let mut story =
        Story::of(&[1, 2]).soaking().with(|schedule| schedule.on_failure = OnFailure::RollbackHost);
    story.go();
    story.change(&["a1"]);
    story.pass(60);
    story.measure(9, 0, &[]);
    story.change(&["b1", "b2"]);
    assert_eq!(story.measure(9, 2, &["a1", "b2"]), "b fails: soak, back: b2, b2 rollback");
}

#[test]
fn somebody_who_stops_a_rollout_stops_its_soak_at_once() {
    let by = || "ann".to_owned();
    let back = "a fails: aborted by ann, back: a1 a2 a3, a1 rollback, a2 rollback, a3 rollback";
    let cases = [
        (Event::PauseRequested { by: by() }, "paused by ann"),
        (Event::AbortRequested { by: by() }, back),
        (Event::Cancelled, "interrupted"),
    ];
    for (asked, told) in cases {
        let mut story = soaking(OnFailure::Rollback);
        story.pass(30);
        story.take(asked.clone());
        assert_eq!(story.go(), told, "{asked:?}");
    }
}

/// Nobody watched in between.
#[test]
fn a_soak_begins_anew_after_a_resume() {
    for died in [true, false] {
        let mut story = soaking(OnFailure::Rollback);
        story.pass(50);
        if !died {
            story.take(Event::PauseRequested { by: "ann".to_owned() });
            assert_eq!(story.go(), "paused by ann");
        }
        assert_eq!(story.resume(100), "soak 60s, wait 60s");
    }
}

#[test]
fn a_wave_soaks_where_something_in_it_is_new() {
    let unchanged = || StepEnded::Inspect(Ok(Inspected { proven: true, ..found() }));
    let begun = |unsoaked: &[usize]| {
        let mut story = Story::of(&[2]).soaking().with(|schedule| {
            schedule.unsoaked = unsoaked.iter().map(|host| crate::plan::HostIndex::new(*host)).collect();
        });
        story.go();
        story.ends("a1", unchanged());
        story
    };
    assert_eq!(begun(&[]).ends("a2", unchanged()), "a passes, unchanged");
    assert_eq!(begun(&[]).change(&["a2"]), "soak 60s, wait 60s");
    // An earlier rollout left it there before its wave had passed.
    assert_eq!(begun(&[0]).ends("a2", unchanged()), "soak 60s, wait 60s");
    // One of those that it could not look at is no news.
    let mut failed_one = begun(&[1]).may_fail(1);
    failed_one.go();
    failed_one.ends("a1", unchanged());
    assert_eq!(failed_one.ends("a2", StepEnded::Inspect(Err(failed()))), "a passes, incomplete");
}

#[test]
fn of_a_gate_only_its_last_measurement_is_kept() {
    let mut story = soaking(OnFailure::Halt);
    for tried in [3, 6, 9] {
        story.measure(tried, 0, &[]);
        let Phase::Soaking { samples, .. } = &story.state.phase else { panic!("{:?}", story.state.phase) };
        let [Sample::Handshakes(sample)] = samples.as_slice() else { panic!("{samples:?}") };
        assert_eq!(sample.handshakes.tried, tried);
    }
}
