//! What the events of a rollout come to.

use super::*;
use crate::gate::Handshakes;
use crate::rollout::{Baseline, Committed, Disproven, Measured, Proven, Step, StepFailure};

const SCHEDULE: &str = r#"{"hosts":["a"],"on_failure":"halt","waves":[{"name":"all","batches":[{"start":0,"end":1}],
    "parallel":1,"max_failures":0,"soak":{"secs":60,"nanos":0},"approval":true}]}"#;
const APPROVED: &str = r#"{"event":"wave.approved","wave":"all","by":"ann"}"#;
const PAUSE: &str = r#"{"event":"rollout.pause_requested","by":"ann"}"#;
const SOAK: &str = r#"{"event":"soak.started","wave":"all","until":"2027-01-01T00:00:00Z"}"#;

fn paused(events: &[&str]) -> Option<Pause> {
    let schedule = serde_json::from_str(SCHEDULE).unwrap();
    let mut tally = Tally::new(&schedule);
    for event in events.iter().chain(&[r#"{"event":"rollout.finished","outcome":"paused"}"#]) {
        tally.take_in(Timestamp::UNIX_EPOCH, &serde_json::from_str(event).unwrap());
    }
    tally.summary().pause
}

/// Earlier versions did not write down why.
#[test]
fn why_a_rollout_is_paused_is_found_out_where_its_journal_does_not_say() {
    let all = || "all".parse().unwrap();
    assert_eq!(paused(&[]), Some(Pause::Approval { wave: all() }));
    assert_eq!(paused(&[PAUSE]), Some(Pause::By { by: "ann".to_owned() }));
    assert_eq!(paused(&[APPROVED, SOAK]), Some(Pause::Inconclusive));
    assert_eq!(paused(&[PAUSE, r#"{"event":"rollout.resumed"}"#]), Some(Pause::Approval { wave: all() }));
}

/// One host, after steps that ended so, each at this millisecond.
fn told(ends: Vec<(i64, StepEnded)>) -> HostSummary {
    let schedule: Schedule = serde_json::from_str(SCHEDULE).unwrap();
    let mut tally = Tally::new(&schedule);
    for (at, ended) in ends {
        let event = Event::StepFinished { host: "a".parse().unwrap(), ended };
        tally.take_in(Timestamp::from_millisecond(at).unwrap(), &event);
    }
    tally.summary().hosts[crate::plan::HostIndex::new(0)].clone()
}

fn inspected(proven: bool, risks: &[&str]) -> StepEnded {
    let remark = |text: &&str| Remark { risk: "clock".to_owned(), text: (*text).to_owned() };
    let risks = risks.iter().map(remark).collect();
    StepEnded::Inspect(Ok(Inspected {
        proven,
        staged: true,
        previous: None,
        armed: false,
        already: false,
        undone: None,
        risks,
        baseline: Baseline::default(),
    }))
}

fn failed() -> StepFailure {
    StepFailure::Failed { reason: "it failed".to_owned() }
}

fn proven(measured: Measured) -> StepEnded {
    StepEnded::Verify(Ok(Verified::Proven(Proven { measured, ..Proven::default() })))
}

fn disproven(state: EndpointState) -> StepEnded {
    let (reason, measured) = ("so".to_owned(), Measured::default());
    StepEnded::Verify(Ok(Verified::Disproven(Disproven { state, reason, measured, foreign: Vec::new() })))
}

#[test]
fn a_host_takes_from_its_first_step_to_its_last() {
    let seconds = |times: &[i64]| told(times.iter().map(|at| (*at, inspected(false, &[]))).collect()).seconds;
    assert_eq!(seconds(&[]), 0.0);
    assert_eq!(seconds(&[10_000]), 0.0);
    assert_eq!(seconds(&[10_000, 10_500, 13_256]), 3.26);
    assert_eq!(seconds(&[10_000, 10_004]), 0.0);
    // The clock was set back.
    assert_eq!(seconds(&[10_000, 5_000]), 0.0);
    let schedule: Schedule = serde_json::from_str(SCHEDULE).unwrap();
    let mut tally = Tally::new(&schedule);
    let at = |millis| Timestamp::from_millisecond(millis).unwrap();
    tally.take_in(at(1_000), &Event::StepStarted { host: "a".parse().unwrap(), step: Step::Inspect });
    tally.take_in(at(1_000), &Event::StepStarted { host: "b".parse().unwrap(), step: Step::Inspect });
    tally
        .take_in(at(3_500), &Event::StepFinished { host: "a".parse().unwrap(), ended: inspected(true, &[]) });
    assert_eq!(tally.summary().hosts[crate::plan::HostIndex::new(0)].seconds, 2.5);
}

#[test]
fn what_a_host_serves_is_what_was_proven_last() {
    use EndpointState::{New, Previous, Unknown};
    let good = || proven(Measured::default());
    for (ends, state) in [
        (vec![], None),
        (vec![inspected(false, &[])], None),
        (vec![inspected(true, &[])], Some(New)),
        (vec![inspected(false, &[]), good()], Some(New)),
        // What follows tells nothing of what is served.
        (vec![good(), StepEnded::Commit(Ok(Committed::Final(Vec::new())))], Some(New)),
        (vec![good(), StepEnded::Commit(Err(failed()))], Some(New)),
        (vec![good(), StepEnded::Rollback(Ok(Measured::default()))], Some(Previous)),
        (vec![disproven(Unknown)], Some(Unknown)),
        (vec![disproven(Unknown), StepEnded::Rollback(Err(failed()))], Some(Unknown)),
        (vec![disproven(Unknown), StepEnded::Rollback(Ok(Measured::default()))], Some(Previous)),
        (vec![good(), inspected(false, &[])], Some(New)),
        (vec![good(), StepEnded::Inspect(Err(failed()))], Some(New)),
    ] {
        let words = format!("{ends:?}");
        assert_eq!(told(ends.into_iter().map(|ended| (0, ended)).collect()).state, state, "{words}");
    }
}

#[test]
fn what_clients_noticed_is_counted() {
    let measured = |held| Measured {
        handshakes: Handshakes { tried: 7, failed: 2 },
        first_failure: None,
        held,
        unexplained: 0,
        idle: 4,
        closed: 3,
    };
    for (held, cut) in [
        (Some(HeldOutcome::Cut("reset".to_owned())), Some(1)),
        (Some(HeldOutcome::Answered), Some(0)),
        (None, None),
    ] {
        let host = told(vec![(0, proven(measured(held)))]);
        assert_eq!((host.handshakes, host.failed_handshakes, host.dropped_connections), (7, 2, cut));
        assert_eq!((host.idle, host.closed_connections), (4, Some(3)));
    }
    let host = told(vec![(0, inspected(true, &[]))]);
    assert_eq!((host.handshakes, host.failed_handshakes, host.dropped_connections), (0, 0, None));
    assert_eq!((host.idle, host.closed_connections), (0, None));
}

#[test]
fn the_risks_that_a_host_was_found_with_last_are_kept() {
    let risks = |all: &[&[&str]]| {
        let host = told(all.iter().map(|risks| (0, inspected(false, risks))).collect());
        host.risks.into_iter().map(|risk| risk.text).collect::<Vec<_>>()
    };
    assert_eq!(risks(&[&["one", "two"]]), ["one", "two"]);
    // Half-way to the new certificate a host is not looked at for risks.
    assert_eq!(risks(&[&["one"], &[]]), ["one"]);
    assert_eq!(risks(&[&["one"], &["two"]]), ["two"]);
}

#[test]
fn the_risks_of_a_switch_join_those_that_a_host_was_found_with() {
    let remark = |text: &str| Remark { risk: "switch_ends_at_reboot".to_owned(), text: text.to_owned() };
    let switched = |risks| StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { ways: Vec::new(), risks })));
    let risks = |ends: Vec<StepEnded>| {
        let host = told(ends.into_iter().map(|ended| (0, ended)).collect());
        host.risks.into_iter().map(|risk| risk.text).collect::<Vec<_>>()
    };
    let found = || inspected(false, &["one"]);
    assert_eq!(risks(vec![found(), switched(vec![remark("two")])]), ["one", "two"]);
    // A switch in doubt is made again.
    assert_eq!(
        risks(vec![found(), switched(vec![remark("two")]), switched(vec![remark("two")])]),
        ["one", "two"]
    );
    assert_eq!(risks(vec![found(), switched(Vec::new())]), ["one"]);
    let committed = StepEnded::Commit(Ok(Committed::Final(vec![remark("three")])));
    assert_eq!(risks(vec![found(), switched(vec![remark("two")]), committed]), ["one", "two", "three"]);
}
