//! A whole rollout by the state machine alone: each step ends at once, as it should, but for one where that is wanted.

use std::collections::BTreeSet;
use std::time::Duration;

use certwave::plan::{Direction, HostIndex, OnFailure, Schedule, WaveSchedule, batches};
use certwave::rollout::{
    Action, Activated, Baseline, Committed, Event, Inspected, Measured, Phase, Previous, RolloutOutcome,
    State, Step, StepEnded, StepFailure, Verified, next,
};
use jiff::{SignedDuration, Timestamp};

/// Hosts in flight, where there are more.
const PARALLEL: usize = 128;

/// One wave of one batch.
pub(crate) fn schedule(hosts: usize) -> Schedule {
    let wave = WaveSchedule {
        name: "all".parse().unwrap(),
        batches: batches(0..hosts, &[]),
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
        direction: Direction::Forward,
        windows: None,
        deadline: None,
        dead_man: None,
        unsoaked: Default::default(),
    }
}

/// Every step goes well, one after the other; but for the activation of the last host, where `fails`: then all others
/// go back.
pub(crate) fn drive(schedule: &Schedule, fails: bool) -> RolloutOutcome {
    let (last, now) =
        (schedule.hosts.range().iter().next_back(), Timestamp::from_second(1_800_000_000).unwrap());
    let mut state = State::new(schedule);
    let mut running: BTreeSet<(Step, HostIndex)> = BTreeSet::new();
    loop {
        for action in next(schedule, &state, now) {
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
            return outcome;
        }
        let Some((step, host)) = running.pop_first() else { continue };
        let fault = fails && Some(host) == last && !matches!(state.phase, Phase::RollingBack { .. });
        let ended = ended(step, fault, now);
        state.evolve(now, &Event::StepFinished { host: schedule.hosts[host].clone(), ended });
    }
}

fn ended(step: Step, fault: bool, now: Timestamp) -> StepEnded {
    match step {
        Step::Inspect => StepEnded::Inspect(Ok(Inspected {
            proven: false,
            staged: false,
            previous: Some(Previous {
                version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
                leaves: Vec::new(),
                not_after: now + SignedDuration::from_hours(24),
                revoked: false,
            }),
            armed: false,
            already: false,
            undone: None,
            risks: Vec::new(),
            baseline: Baseline::default(),
        })),
        Step::Stage => StepEnded::Stage(Ok(Baseline::default())),
        Step::Activate if fault => {
            StepEnded::Activate(Err(StepFailure::Failed { reason: "it does not reload".to_owned() }))
        }
        Step::Activate => StepEnded::Activate(Ok(Activated::Reloaded(Default::default()))),
        Step::Verify => StepEnded::Verify(Ok(Verified::Proven(Default::default()))),
        Step::Commit => StepEnded::Commit(Ok(Committed::Final(Vec::new()))),
        Step::Rollback => StepEnded::Rollback(Ok(Measured::default())),
    }
}
