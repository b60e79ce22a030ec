//! The state machine of a rollout, in thousands of random worlds: failures, reordering, a crash at any
//! event, a cancel at any event.

use certwave::plan::{Direction, HostIndex, OnFailure, Schedule};
use certwave::rollout::{
    Action, Baseline, Event, HostOutcome, HostPhase, HostState, Inspected, Previous, RolloutOutcome, State,
    Step, StepEnded, next,
};

use crate::run::Run;
use crate::world::start;

const WORLDS: u64 = 20_000;

fn explore(worlds: std::ops::Range<u64>, crashes: usize, cancels: bool) -> [usize; 8] {
    let mut seen = [0; 8];
    for seed in worlds {
        let mut run = Run::new(seed);
        let outcome = run.run_out(crashes, cancels);
        run.check_outcome(outcome);
        if run.schedule.goes_back() && run.state.stop.is_none() && outcome != RolloutOutcome::Paused {
            let tried = |host: &HostState| matches!(host.phase, HostPhase::Done(_));
            assert!(run.state.hosts().iter().all(tried), "seed {seed}: a host was not tried");
        }
        seen[outcome as usize] += 1;
    }
    seen
}

#[test]
fn every_world_ends_and_its_words_are_true() {
    let seen = explore(0..WORLDS / 2, 0, false);
    for outcome in [
        RolloutOutcome::Succeeded,
        RolloutOutcome::RolledBack,
        RolloutOutcome::NeedsAttention,
        RolloutOutcome::Incomplete,
        RolloutOutcome::Failed,
        RolloutOutcome::Paused,
    ] {
        assert!(seen[outcome as usize] > 20, "the worlds are too tame: {outcome:?} in {seen:?}");
    }
}

#[test]
fn crashes_and_cancels_at_any_event_change_nothing_of_that() {
    explore(WORLDS / 2..WORLDS * 3 / 4, 5, false);
    let seen = explore(WORLDS * 3 / 4..WORLDS, 3, true);
    assert!(seen[RolloutOutcome::Interrupted as usize] > 20, "{seen:?}");
}

#[test]
fn what_was_left_is_done_when_a_rollout_is_resumed_after_its_end() {
    let mut resumed = [0; 8];
    for seed in 0..WORLDS / 2 {
        let mut run = Run::new(seed);
        let mut outcome = run.run_out(3, seed % 2 == 0);
        if matches!(
            outcome,
            RolloutOutcome::Succeeded
                | RolloutOutcome::Unchanged
                | RolloutOutcome::RolledBack
                | RolloutOutcome::Failed
        ) {
            continue;
        }
        resumed[outcome as usize] += 1;
        // Somebody mended everything.
        run.world.flakiness = 0;
        run.world.mended = true;
        run.world.hosts.iter_mut().for_each(|host| host.broken = false);
        for _ in 0..3 {
            run.rolling_back_wave = None;
            run.resume();
            for wave in run.schedule.waves.clone() {
                run.record(Event::Approved { wave: wave.name, by: "ann".to_owned() });
            }
            outcome = run.run_out(0, false);
            run.check_outcome(outcome);
        }
        let stuck = run.state.hosts().iter().any(|host| {
            let never = |previous: &Previous| previous.revoked || previous.not_after <= run.now;
            let lapsed = host.previous.as_ref().is_none_or(never);
            host.outcome() == HostOutcome::RollbackFailed && !lapsed
        });
        assert!(!stuck, "seed {seed}: {outcome:?}");
        if let Some(undo) = run.schedule.undo().filter(|_| !run.state.failed) {
            for (host, truth) in run.state.hosts().iter().zip(&run.world.hosts) {
                let lasts = |previous: &Previous| {
                    previous.not_after >= undo.lasts_until
                        || previous.not_after > run.now && undo.accepted.contains(&previous.version)
                };
                let fit = |previous: &Previous| !previous.revoked && lasts(previous);
                let back = host.outcome() == HostOutcome::RolledBack;
                assert!(back == truth.previous.as_ref().is_some_and(fit), "seed {seed}: {host:?}");
            }
        }
        let stays = run.state.failed || run.state.hosts().iter().any(|h| h.outcome().is_failure());
        assert!(
            stays || matches!(outcome, RolloutOutcome::Succeeded | RolloutOutcome::Unchanged),
            "seed {seed}: {outcome:?}"
        );
    }
    for outcome in [RolloutOutcome::Incomplete, RolloutOutcome::Interrupted, RolloutOutcome::NeedsAttention] {
        assert!(resumed[outcome as usize] > 20, "{outcome:?} in {resumed:?}");
    }
}

/// In worlds that stay as bad as they are.
#[test]
fn a_rollout_may_be_resumed_again_and_again() {
    for seed in 0..WORLDS / 2 {
        let mut run = Run::new(seed);
        let mut outcome = run.run_out(3, true);
        for _ in 0..3 {
            run.check_outcome(outcome);
            run.rolling_back_wave = None;
            run.resume();
            outcome = run.run_out(2, true);
        }
    }
}

#[test]
fn a_journal_cut_anywhere_replays_and_then_ends() {
    for seed in 0..300 {
        let mut whole = Run::new(seed);
        whole.moments = Some(Vec::new());
        whole.run_out(0, false);
        for mut moment in whole.moments.take().unwrap() {
            // The journal's tail is lost, and the hosts went on to the end of the rollout.
            let mut torn = moment.clone();
            torn.world.hosts.clone_from(&whole.world.hosts);
            torn.world.hosts.iter_mut().for_each(|host| host.ever_switched = false);
            torn.running.clear();
            (torn.now, torn.torn) = (whole.now, true);
            // The controller died before it wrote the event, and the hosts are as they were then.
            for run in [&mut moment, &mut torn] {
                run.crash();
                let outcome = run.run_out(0, false);
                run.check_outcome(outcome);
            }
        }
    }
}

#[test]
fn no_host_is_lost_when_a_cancel_finds_it_staged() {
    let schedule = Schedule {
        hosts: vec!["a".parse().unwrap()].into(),
        waves: vec![certwave::plan::WaveSchedule {
            name: "w".parse().unwrap(),
            batches: vec![(0..1).into()],
            parallel: 1,
            max_failures: 0,
            soak: std::time::Duration::ZERO,
            approval: false,
            progress_deadline: None,
            deadline: None,
        }],
        on_failure: OnFailure::Rollback,
        direction: Direction::Forward,
        windows: None,
        deadline: None,
        dead_man: None,
        unsoaked: Default::default(),
    };
    let mut state = State::new(&schedule);
    let host = schedule.hosts[HostIndex::default()].clone();
    let step = |step| Event::StepStarted { host: host.clone(), step };
    let done = |ended| Event::StepFinished { host: host.clone(), ended };
    for event in [
        Event::WaveStarted { wave: "w".parse().unwrap(), hosts: 1 },
        step(Step::Inspect),
        done(StepEnded::Inspect(Ok(Inspected {
            proven: false,
            staged: false,
            previous: None,
            armed: false,
            already: false,
            undone: None,
            risks: Vec::new(),
            baseline: Baseline::default(),
        }))),
        step(Step::Stage),
        Event::Cancelled,
        done(StepEnded::Stage(Ok(Baseline::default()))),
    ] {
        state.evolve(start(), &event);
    }
    assert_eq!(
        next(&schedule, &state, start()),
        [Action::Record(Event::HostAbandoned { host: host.clone() })]
    );
    state.evolve(start(), &Event::HostAbandoned { host });
    assert_eq!(
        next(&schedule, &state, start()),
        [Action::Record(Event::finished(RolloutOutcome::Interrupted))]
    );
}
