//! How many hosts of a wave may fail, and how many begin at once.

use super::*;
use crate::plan::batches;

/// The rollout of a wave of five, of which so many may fail, when this many have.
fn after_failures(may: usize, failures: usize) -> String {
    let mut story = Story::of(&[5]).may_fail(may);
    story.schedule.waves[0].parallel = 1;
    let mut told = story.go();
    for host in &["a1", "a2", "a3", "a4", "a5"][..failures] {
        told = story.ends(host, StepEnded::Inspect(Err(failed())));
    }
    told
}

#[test]
fn one_failure_more_than_may_be_stops_a_wave() {
    let cases = [
        (0, 0, "wave a, a1 inspect"),
        (0, 1, "a fails: 1 of 5, 0 may, failed"),
        (1, 1, "a2 inspect"),
        (1, 2, "a fails: 2 of 5, 1 may, failed"),
        (3, 3, "a4 inspect"),
        (3, 4, "a fails: 4 of 5, 3 may, failed"),
    ];
    for (may, failures, told) in cases {
        assert_eq!(after_failures(may, failures), told, "{failures} failed, {may} may");
    }
}

#[test]
fn a_wave_of_which_all_may_fail_and_all_did_proves_nothing() {
    assert_eq!(after_failures(5, 4), "a5 inspect");
    assert_eq!(after_failures(5, 5), "a fails: nothing proven, failed");
}

#[test]
fn whatever_counts_as_a_failure_counts_against_the_budget() {
    use HostOutcome::{Failed, RollbackFailed, RolledBack, Unreachable};
    let ways: [(HostOutcome, &[StepEnded]); 4] = [
        (Failed, &[StepEnded::Inspect(Err(failed()))]),
        (Unreachable, &[StepEnded::Inspect(Err(unreachable()))]),
        (RolledBack, &[refused(), good(Step::Rollback)]),
        (RollbackFailed, &[refused(), StepEnded::Rollback(Err(failed()))]),
    ];
    for (outcome, steps) in ways {
        let mut story = Story::of(&[2]);
        story.schedule.waves[0].parallel = 1;
        story.go();
        let told: Vec<String> = steps.iter().map(|ended| story.ends_at("a1", ended.clone())).collect();
        assert_eq!(story.outcome("a1"), outcome);
        assert!(told.concat().contains("a fails: 1 of 2, 0 may"), "{outcome:?}: {told:?}");
    }
}

#[test]
fn a_wave_does_not_count_the_failures_of_the_one_before() {
    let mut story = Story::of(&[2, 3]).may_fail(1);
    story.go();
    story.ends("a1", StepEnded::Inspect(Err(failed())));
    assert_eq!(story.change(&["a2"]), "a passes, wave b, b1 inspect, b2 inspect, b3 inspect");
    assert_eq!(story.ends("b1", StepEnded::Inspect(Err(failed()))), "");
    assert_eq!(story.change(&["b2", "b3"]), "b passes, incomplete");
}

#[test]
fn no_more_hosts_are_in_flight_than_may_be() {
    let mut story = Story::of(&[4]);
    story.schedule.waves[0].parallel = 2;
    assert_eq!(story.go(), "wave a, a1 inspect, a2 inspect");
    assert_eq!(story.ends("a1", good(Step::Inspect)), "a1 stage");
    assert_eq!(story.change(&["a1"]), "a3 inspect");
    assert_eq!(story.change(&["a2"]), "a4 inspect");
}

#[test]
fn a_batch_begins_when_no_host_of_the_one_before_is_in_flight() {
    let sizes: Vec<_> = ["1", "2"].iter().map(|size| size.parse().unwrap()).collect();
    let mut story = Story::of(&[4]).with(|schedule| schedule.waves[0].batches = batches(0..4, &sizes));
    assert_eq!(story.go(), "wave a, a1 inspect");
    assert_eq!(story.change(&["a1"]), "a2 inspect, a3 inspect");
    assert_eq!(story.change(&["a2"]), "");
    assert_eq!(story.change(&["a3"]), "a4 inspect");
    assert_eq!(story.change(&["a4"]), "a passes, succeeded");
}

#[test]
fn a_foreign_certificate_on_more_hosts_than_may_fail_stops_the_wave_at_once() {
    for may in [0, 1] {
        let mut story = Story::of(&[5, 1]).may_fail(may);
        story.schedule.waves[0].parallel = 3;
        story.go();
        assert_eq!(story.change(&["a1"]), "a4 inspect");
        if may == 1 {
            assert_eq!(story.ends_at("a3", foreign("nginx")), "a3 rollback");
        }
        // The ones beside it were not switched yet, and are not any more.
        let told = story.ends_at("a2", foreign("nginx"));
        assert_eq!(told, "a fails: foreign on a2, a2 rollback", "{may} may fail");
        assert_eq!(story.ends("a4", good(Step::Inspect)), "a4 abandoned");
    }
}

#[test]
fn one_hosts_foreign_certificate_is_that_hosts_failure() {
    let mut story = Story::of(&[3, 1]).may_fail(1);
    story.schedule.waves[0].parallel = 1;
    story.go();
    assert_eq!(story.ends_at("a1", foreign("nginx")), "a1 rollback");
    assert_eq!(story.ends("a1", good(Step::Rollback)), "a2 inspect");
    assert_eq!(story.change(&["a2"]), "a3 inspect");
    assert_eq!(story.change(&["a3"]), "a passes, wave b, b1 inspect");
    assert_eq!(story.change(&["b1"]), "b passes, incomplete");
    // Found at the inspection, it is a failure like any other.
    let mut story = Story::of(&[2]).may_fail(1);
    story.schedule.waves[0].parallel = 1;
    story.go();
    assert_eq!(story.ends("a1", StepEnded::Inspect(Err(failed()))), "a2 inspect");
}

#[test]
fn a_foreign_certificate_in_two_services_or_waves_stops_whatever_the_budget() {
    let mut services = Story::of(&[5]).may_fail(4);
    services.go();
    assert_eq!(services.ends_at("a1", foreign("nginx")), "a1 rollback");
    assert_eq!(services.ends_at("a2", foreign("haproxy")), "a fails: foreign on a2, a2 rollback");

    let mut waves = Story::of(&[2, 3]);
    waves.schedule.waves[0].max_failures = 1;
    waves.schedule.waves[1].max_failures = 2;
    waves.go();
    waves.ends_at("a1", foreign("nginx"));
    waves.ends("a1", good(Step::Rollback));
    waves.change(&["a2"]);
    assert_eq!(waves.ends_at("b1", foreign("nginx")), "b fails: foreign on b1, b1 rollback");
}

/// Its last try is what counts.
#[test]
fn a_host_that_has_another_turn_is_not_blamed_for_the_one_before() {
    let mut story = Story::of(&[2]).may_fail(1);
    story.go();
    story.ends_at("a1", foreign("nginx"));
    story.ends("a1", good(Step::Rollback));
    assert_eq!(story.change(&["a2"]), "a passes, incomplete");
    assert_eq!(story.resume(9), "wave a, a1 inspect");
    assert_eq!(story.ends_at("a1", foreign("haproxy")), "a1 rollback");
}

#[test]
fn what_is_not_foreign_stops_a_wave_only_beyond_its_budget() {
    use EndpointState::{Known, None, Previous, Unreachable};
    for state in [Previous, Known, None, Unreachable] {
        let mut story = Story::of(&[2]).may_fail(1);
        story.schedule.waves[0].parallel = 1;
        story.go();
        assert_eq!(story.ends_at("a1", disproven(state)), "a1 rollback", "{state:?}");
        assert_eq!(story.ends("a1", good(Step::Rollback)), "a2 inspect", "{state:?}");
    }
}

/// There is nothing better to go to.
#[test]
fn on_the_way_back_no_failure_keeps_a_host_from_its_turn() {
    let mut story = Story::of(&[3]).with(|schedule| {
        (schedule.direction, schedule.on_failure) = (Direction::Back, OnFailure::Halt);
        schedule.waves[0].parallel = 1;
    });
    story.go();
    assert_eq!(story.ends("a1", StepEnded::Inspect(Err(failed()))), "a2 inspect");
    assert_eq!(story.ends_at("a2", disproven(EndpointState::Unknown)), "a2 rollback");
    assert_eq!(story.ends("a2", good(Step::Rollback)), "a3 inspect");
    assert_eq!(story.ends("a3", StepEnded::Inspect(Err(failed()))), "a passes, incomplete");
}
