//! Holds that a rollout's bookkeeping grows with the number of its hosts and no faster: how often the state of a
//! host is looked at is counted, not timed.

#![allow(clippy::unwrap_used)] // A test says what it expects by failing.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Event, Phase, Previous, RolloutOutcome, State, Step, StepResult, next};
use crate::model::Version;
use crate::plan::{OnFailure, Schedule, WaveSchedule};

thread_local! {
    static VISITS: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn visited(hosts: usize) {
    VISITS.set(VISITS.get() + hosts);
}

const PARALLEL: usize = 512;

fn schedule(hosts: usize) -> Schedule {
    let wave = WaveSchedule {
        name: "all".parse().unwrap(),
        batches: crate::plan::batches(0..hosts, &[]),
        parallel: PARALLEL,
        max_failures: 0,
        soak: Duration::ZERO,
        approval: false,
        progress_deadline: None,
        deadline: None,
    };
    Schedule {
        hosts: (0..hosts).map(|host| format!("h{host}").parse().unwrap()).collect(),
        waves: vec![wave],
        on_failure: OnFailure::Rollback,
        every_host: false,
        windows: None,
        undo: None,
        deadline: None,
    }
}

/// Every step goes well, one after the other comes to its end; but for the last host's proof, where `fails`.
fn visits(hosts: usize, fails: bool) -> (usize, RolloutOutcome) {
    let (schedule, now) = (schedule(hosts), Timestamp::from_second(1_800_000_000).unwrap());
    let mut state = State::new(&schedule);
    let mut running: BTreeSet<(Step, usize)> = BTreeSet::new();
    VISITS.set(0);
    loop {
        for action in next(&schedule, &state, now) {
            match action {
                Action::Record(event) => state.evolve(now, &event),
                Action::Run { host, step } => {
                    state.evolve(now, &Event::StepStarted { host: schedule.hosts[host].clone(), step });
                    running.insert((step, host));
                }
                Action::Wait { .. } | Action::Observe => unreachable!("nothing is waited for here"),
            }
        }
        if let Some(outcome) = state.outcome {
            return (VISITS.get(), outcome);
        }
        let Some((step, host)) = running.pop_first() else { continue };
        let fault = fails && host + 1 == hosts && !matches!(state.phase, Phase::RollingBack { .. });
        let result = match step {
            Step::Inspect => StepResult::Inspected {
                proven: false,
                staged: false,
                previous: Some(previous(now)),
                armed: false,
                undone: None,
            },
            Step::Stage | Step::Commit => StepResult::Done,
            Step::Activate if fault => StepResult::Failed { reason: "it does not reload".to_owned() },
            Step::Activate => StepResult::Activated,
            Step::Verify => StepResult::Proven(Default::default()),
            Step::Rollback => StepResult::RolledBack,
        };
        state.evolve(now, &Event::StepFinished { host: schedule.hosts[host].clone(), step, result });
    }
}

fn previous(now: Timestamp) -> Previous {
    Previous {
        version: "20261123T200100Z-3f9a1c2e".parse::<Version>().unwrap(),
        leaves: Vec::new(),
        not_after: now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap(),
        revoked: false,
    }
}

#[test]
fn ten_times_the_hosts_are_ten_times_the_work() {
    for (fails, outcome) in [(false, RolloutOutcome::Succeeded), (true, RolloutOutcome::RolledBack)] {
        let (small, _) = visits(1_000, fails);
        let (large, ended) = visits(10_000, fails);
        assert_eq!(ended, outcome);
        assert!(large / 10 <= small + small / 4, "1000 hosts: {small} visits, 10000: {large}");
        assert!(large <= 60 * 10_000, "10000 hosts: {large} visits");
    }
}
