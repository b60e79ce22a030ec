//! A switched host that goes away: it is tried for as long as its dead-man switch waits.

use super::*;

/// Its switch waits for two minutes, and it was switched now.
fn switched(waves: &[usize], may_fail: usize) -> Story {
    let mut story = Story::of(waves).may_fail(may_fail);
    story = story.with(|schedule| schedule.dead_man = Some(seconds(120)));
    story.go();
    story.ends("a1", good(Step::Inspect));
    story.ends("a1", good(Step::Stage));
    story.ends("a1", good(Step::Activate));
    story
}

/// It does not answer on its way back, and time goes on until it is tried again, again and again: the pauses.
fn tried(story: &mut Story, host: &str) -> Vec<i64> {
    let mut pauses = Vec::new();
    while story.host(host).phase == HostPhase::Running(Step::Rollback) {
        story.ends(host, StepEnded::Rollback(Err(unreachable())));
        if let Some(at) = story.host(host).retry_at {
            pauses.push(story.until(at));
            story.now = at;
            story.go();
        }
    }
    pauses
}

#[test]
fn it_is_tried_until_its_dead_man_switch_must_have_put_the_previous_certificate_back() {
    let mut story = switched(&[1], 1);
    story.ends("a1", disproven(EndpointState::None));
    let pauses = tried(&mut story, "a1");
    assert_eq!(
        pauses,
        [1, 2, 4, 8, 16, 30, 30, 30, 9],
        "each pause is longer, and the last ends 10 s after its time"
    );
    assert_eq!(story.now, start() + SignedDuration::from_secs(130));
    assert_eq!(story.outcome("a1"), HostOutcome::RollbackFailed);
    let error = story.host("a1").error.clone().unwrap();
    assert!(
        error.ends_with("; its dead-man switch should have put the previous certificate back by 08:02:00Z"),
        "{error}"
    );
}

#[test]
fn it_goes_back_as_soon_as_it_is_there_again() {
    let mut story = switched(&[1], 1);
    story.ends("a1", disproven(EndpointState::None));
    story.ends("a1", StepEnded::Rollback(Err(unreachable())));
    story.pass(1);
    assert_eq!(story.go(), "a1 rollback");
    assert!(story.ends("a1", good(Step::Rollback)).ends_with("rolled_back"));
    assert_eq!(story.outcome("a1"), HostOutcome::RolledBack);
}

#[test]
fn when_it_will_go_back_is_told_at_once() {
    let mut story = switched(&[1], 1);
    story.ends("a1", disproven(EndpointState::None));
    story.end("a1", StepEnded::Rollback(Err(in_doubt())));
    let [Action::Record(Event::HostAwaited { until, returns, .. })] =
        &next(&story.schedule, &story.state, story.now)[..]
    else {
        panic!("{:?}", next(&story.schedule, &story.state, story.now))
    };
    assert_eq!(*until, start() + SignedDuration::from_secs(1));
    assert_eq!(*returns, Some(start() + SignedDuration::from_secs(120)));
}

/// The longest that anybody may set does not bring thousands of tries.
#[test]
fn tries_are_bounded_however_long_the_switch_waits() {
    for hours in [1, 24, 24 * 365] {
        let mut story = switched(&[1], 1);
        let long = seconds(hours * 3_600);
        story.state.dead_man = Some(long);
        story.schedule.dead_man = Some(long);
        story.host_mut("a1").returns_at = Some(start() + SignedDuration::from_hours(hours as i64));
        // What it would go back to lasts longer.
        story.host_mut("a1").previous.as_mut().unwrap().not_after = Timestamp::MAX;
        story.ends("a1", disproven(EndpointState::None));
        let pauses = tried(&mut story, "a1");
        assert!((20..50).contains(&pauses.len()), "{hours} h: {}", pauses.len());
        assert_eq!(pauses.iter().sum::<i64>(), hours as i64 * 3_600 + 10);
    }
}

#[test]
fn without_a_switch_it_is_tried_four_times() {
    let mut story = Story::of(&[1]).may_fail(1);
    story.go();
    story.ends_at("a1", disproven(EndpointState::None));
    assert_eq!(tried(&mut story, "a1"), [1, 2, 4]);
    assert_eq!(story.host("a1").error.as_deref(), Some("it serves something else"));
}

#[test]
fn no_further_host_is_begun_and_the_others_go_back_while_it_is_tried() {
    let mut story = Story::of(&[2, 2]).with(|schedule| schedule.dead_man = Some(seconds(120)));
    story.schedule.waves[0].parallel = 1;
    story.go();
    story.change(&["a1"]);
    story.ends_at("a2", disproven(EndpointState::None));
    let told = story.ends("a2", StepEnded::Rollback(Err(unreachable())));
    assert_eq!(told, "a2 away for 1s, a fails: 1 of 2, 0 may, back: a1, a1 rollback, wait 1s");
    assert_eq!(story.ends("a1", good(Step::Rollback)), "wait 1s");
    story.pass(1);
    assert_eq!(story.go(), "a2 rollback");
    assert_eq!(story.ends("a2", good(Step::Rollback)), "rolled_back");
}

#[test]
fn where_it_may_fail_the_others_of_its_wave_go_on_meanwhile() {
    let mut story = switched(&[2], 1);
    story.schedule.waves[0].parallel = 1;
    story.ends("a1", disproven(EndpointState::None));
    let told = story.ends("a1", StepEnded::Rollback(Err(unreachable())));
    assert!(told.starts_with("a1 away for 1s"), "{told}");
    // It takes nobody's place, and the wave is over when it is.
    assert!(story.change(&["a2"]).contains("wait"), "{told}");
    story.pass(1);
    assert_eq!(story.go(), "a1 rollback");
    assert_eq!(story.ends("a1", good(Step::Rollback)), "a passes, incomplete");
}

#[test]
fn who_stops_in_a_hurry_does_not_wait_for_it() {
    // Ctrl-C while it waits: one more try at once, and no more.
    let mut story = switched(&[1], 1);
    story.ends("a1", disproven(EndpointState::None));
    story.ends("a1", StepEnded::Rollback(Err(unreachable())));
    story.take(Event::Cancelled);
    assert_eq!(story.go(), "a1 rollback");
    assert_eq!(story.ends("a1", StepEnded::Rollback(Err(unreachable()))), "needs_attention");
    let error = story.host("a1").error.clone().unwrap();
    assert!(
        error.ends_with("; its dead-man switch puts the previous certificate back by 08:02:00Z"),
        "{error}"
    );
    // And while it is tried.
    let mut story = switched(&[1], 1);
    story.ends("a1", disproven(EndpointState::None));
    story.take(Event::Cancelled);
    assert_eq!(story.ends("a1", StepEnded::Rollback(Err(unreachable()))), "needs_attention");
}

#[test]
fn an_abort_brings_the_others_back_while_it_waits() {
    let mut story = switched(&[2], 2);
    story.ends("a1", disproven(EndpointState::None));
    story.ends("a1", StepEnded::Rollback(Err(unreachable())));
    story.change(&["a2"]);
    story.take(Event::AbortRequested { by: "ann".to_owned() });
    assert_eq!(story.go(), "a fails: aborted by ann, back: a2, a2 rollback, wait 1s");
}

#[test]
fn who_resumes_tries_it_at_once() {
    let mut story = switched(&[1], 1);
    story.ends("a1", disproven(EndpointState::None));
    for _ in 0..5 {
        story.ends("a1", StepEnded::Rollback(Err(unreachable())));
        let at = story.host("a1").retry_at.unwrap();
        story.now = at;
        story.go();
    }
    story.ends("a1", StepEnded::Rollback(Err(unreachable())));
    assert_eq!(story.resume(1), "a1 rollback");
}

#[test]
fn what_was_confirmed_or_never_switched_is_not_waited_for() {
    let returns = |ended: StepEnded| {
        let mut story = switched(&[1], 1);
        assert!(story.host("a1").returns_at.is_some());
        story.ends_at("a1", ended);
        story.host("a1").returns_at
    };
    assert_eq!(returns(good(Step::Commit)), None);
    assert_eq!(returns(StepEnded::Commit(Err(failed()))), None);
    assert_ne!(returns(StepEnded::Commit(Err(in_doubt()))), None);
    // Whose server refused it was switched back and disarmed.
    let mut story = Story::of(&[1]).may_fail(1).with(|schedule| schedule.dead_man = Some(seconds(120)));
    story.go();
    story.ends_at("a1", refused());
    assert_eq!(story.host("a1").returns_at, None);
    // What was found armed was armed by then.
    let mut story = Story::of(&[1]).may_fail(1).with(|schedule| schedule.dead_man = Some(seconds(120)));
    story.go();
    story.pass(7);
    story.ends("a1", StepEnded::Inspect(Ok(Inspected { armed: true, proven: true, ..found() })));
    assert_eq!(story.host("a1").returns_at, Some(start() + SignedDuration::from_secs(127)));
    // A first installation, and a revoked certificate, have no switch.
    for previous in [None, Some(Previous { revoked: true, ..previous(1, 86_400) })] {
        let mut story = Story::of(&[1]).may_fail(1).with(|schedule| schedule.dead_man = Some(seconds(120)));
        story.go();
        story.ends("a1", StepEnded::Inspect(Ok(Inspected { previous, ..found() })));
        story.ends("a1", good(Step::Stage));
        story.ends("a1", good(Step::Activate));
        assert_eq!(story.host("a1").returns_at, None);
    }
}
