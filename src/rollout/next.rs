//! What to record or do now.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::gate::{Sample, Verdict, judge};
use crate::model::HostName;
use crate::plan::{HostIndex, OnFailure, Schedule, WaveSchedule};
use crate::rollout::event::{Deadline, Event, RefusedRollback, WaveFailure};
use crate::rollout::host::HostPhase;
use crate::rollout::lost::{next_try, waits};
use crate::rollout::outcome::{HostOutcome, Pause, RolloutOutcome};
use crate::rollout::state::{Phase, State};
use crate::rollout::step::{Previous, Step};
use crate::rollout::stop::Stop;

/// How long to wait before a wave's unreachable hosts are tried again, and again.
const BACK_OFF: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// Something to do. Decisions come alone; effects come together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Journal this, then ask again.
    Record(Event),
    /// Journal that the step started, do it, journal how it ended.
    Run {
        /// The host's number in the schedule.
        host: HostIndex,
        /// What to do there.
        step: Step,
    },
    /// Ask again at this time, or when something happened.
    Wait {
        /// The end of the soak, or of the time before hosts are tried again.
        until: Timestamp,
    },
    /// The soak is over: journal what its gates measured.
    Observe,
}

/// What to do now. Asking twice without an event between gives the same answer; an empty answer means
/// that everything waits for steps that run, or that the rollout is finished.
pub fn next(schedule: &Schedule, state: &State, now: Timestamp) -> Vec<Action> {
    if state.outcome.is_some() {
        return Vec::new();
    }
    if let Some(event) = refused_rollback(schedule, state, now) {
        return vec![Action::Record(event)];
    }
    if let Some(event) = awaited(schedule, state, now) {
        return vec![Action::Record(event)];
    }
    let mut actions = match &state.phase {
        Phase::Between => between(schedule, state, now),
        Phase::Running => running(schedule, state, now),
        Phase::Soaking { until, samples } => soaking(schedule, state, now, *until, samples),
        Phase::Stopping(reason) => stopping(schedule, state, now, reason),
        Phase::RollingBack { order, started } => rolling_back(schedule, state, now, order, *started),
    };
    join_waits(&mut actions);
    actions
}

/// Of several times to ask again, the first.
fn join_waits(actions: &mut Vec<Action>) {
    let time = |action: &Action| if let Action::Wait { until } = action { Some(*until) } else { None };
    if let Some(first) = actions.iter().filter_map(time).min() {
        actions.retain(|action| time(action).is_none());
        actions.push(Action::Wait { until: first });
    }
}

/// A host that did not answer on its way back: when it is tried again.
fn awaited(schedule: &Schedule, state: &State, now: Timestamp) -> Option<Event> {
    let undecided = |number: &&HostIndex| {
        let host = state.host(**number);
        host.retry_at.is_none() && host.phase == HostPhase::Ready(Step::Rollback)
    };
    let number = *state.lost.iter().find(undecided).filter(|_| !state.is_cancelled())?;
    let host = state.host(number);
    let until = next_try(host, now, state.dead_man);
    Some(Event::HostAwaited { host: schedule.hosts[number].clone(), until, returns: host.returns_at })
}

fn between(schedule: &Schedule, state: &State, now: Timestamp) -> Vec<Action> {
    match schedule.waves.get(state.wave) {
        Some(_) if let Some(stop) = &state.stop => stopped(schedule, state, stop),
        Some(_) if overdue(schedule, state, now).is_some() => out_of_time(schedule, state, now),
        Some(wave) if state.lacks_approval(wave) => {
            vec![Action::Record(Event::paused(Pause::Approval { wave: wave.name.clone() }))]
        }
        Some(wave) => {
            if let Some(wait) = closed(schedule, state, now) {
                return vec![wait];
            }
            vec![Action::Record(Event::WaveStarted { wave: wave.name.clone(), hosts: wave.hosts().len() })]
        }
        None => finish(state),
    }
}

fn soaking(
    schedule: &Schedule,
    state: &State,
    now: Timestamp,
    until: Timestamp,
    samples: &[Sample],
) -> Vec<Action> {
    if let Some(stop) = &state.stop {
        return stopped(schedule, state, stop);
    }
    if overdue(schedule, state, now).is_some() {
        return out_of_time(schedule, state, now);
    }
    match judge(schedule.waves[state.wave].gates(), samples, until, now) {
        Verdict::Fail(failure) => fail_wave(schedule, state, WaveFailure::Gate(failure)),
        Verdict::Wait => vec![Action::Wait { until: sooner(schedule, state, now, until) }],
        Verdict::Ask => vec![Action::Observe],
        Verdict::Inconclusive => vec![Action::Record(Event::paused(Pause::Inconclusive))],
        Verdict::Pass => pass_wave(schedule, state),
    }
}

/// Whether what the gates measured so far decides something before the soak is over. What does not is only shown.
pub fn is_decisive(schedule: &Schedule, state: &State, samples: &[Sample], now: Timestamp) -> bool {
    match (&state.phase, schedule.waves.get(state.wave)) {
        (Phase::Soaking { until, .. }, Some(wave)) => {
            matches!(judge(wave.gates(), samples, *until, now), Verdict::Fail(_))
        }
        _ => false,
    }
}

fn running(schedule: &Schedule, state: &State, now: Timestamp) -> Vec<Action> {
    let wave = &schedule.waves[state.wave];
    if !schedule.goes_back() {
        if let Some(host) = state.foreign.stops(state.wave_hosts(), wave.max_failures) {
            let host = schedule.hosts[host].clone();
            return fail_wave(schedule, state, WaveFailure::Interposed { host });
        }
        // One that cannot be reached on its way back has failed, whatever becomes of it.
        let failed = state.failures + state.lost.len();
        if failed > wave.max_failures {
            let (allowed, hosts) = (wave.max_failures, wave.hosts().len());
            return fail_wave(schedule, state, WaveFailure::Budget { failed, allowed, hosts });
        }
    }
    match &state.stop {
        Some(stop @ Stop::Abort { .. }) => return stopped(schedule, state, stop),
        Some(stop) => {
            let all = drain(schedule, state, now, state.in_flight.len());
            return all.unwrap_or_else(|| stopped(schedule, state, stop));
        }
        None => {}
    }
    if overdue(schedule, state, now).is_some() {
        return out_of_time(schedule, state, now);
    }
    let mut actions = ready_steps(state, now);
    let batch_end = wave.batches.get(state.batch).map_or(HostIndex::default(), |batch| batch.end);
    let closed = closed(schedule, state, now);
    let free = wave.parallel.saturating_sub(under_way(state));
    let free = if closed.is_none() { free } else { 0 };
    let turn = state.waiting.range(..batch_end).take(free);
    actions.extend(turn.map(|&host| Action::Run { host, step: Step::Inspect }));
    if !actions.is_empty() || !state.in_flight.is_empty() {
        actions.extend(due(schedule, state, now).map(|until| Action::Wait { until }));
        return actions;
    }
    if let Some(wait) = closed.filter(|_| state.waiting.range(..batch_end).next().is_some()) {
        return vec![wait];
    }
    if let Some(retry) = retry(schedule, state, now) {
        return vec![retry];
    }
    if state.proven == 0 && !schedule.goes_back() {
        return fail_wave(schedule, state, WaveFailure::NothingProven);
    }
    match now.checked_add(wave.soak) {
        Ok(until) if !wave.soak.is_zero() && has_news(schedule, state, wave) => {
            vec![Action::Record(Event::SoakStarted { wave: wave.name.clone(), until })]
        }
        _ => pass_wave(schedule, state),
    }
}

/// Whether a wave has a host that was not watched on this certificate: this rollout changed it, or one that did not come to
/// the end of the wave.
fn has_news(schedule: &Schedule, state: &State, wave: &WaveSchedule) -> bool {
    let unsoaked = |host: &HostIndex| {
        schedule.unsoaked.contains(host) && state.host(*host).phase == HostPhase::Done(HostOutcome::Unchanged)
    };
    state.changed > 0 || wave.hosts().iter().any(|host| unsoaked(&host))
}

/// Hosts that could not be reached get another chance once the others of their wave are done.
fn retry(schedule: &Schedule, state: &State, now: Timestamp) -> Option<Action> {
    let wave = &schedule.waves[state.wave];
    if let Some((until, _)) = &state.retry {
        return Some(match now < *until {
            true => Action::Wait { until: sooner(schedule, state, now, *until) },
            false => Action::Record(Event::RetryStarted { wave: wave.name.clone() }),
        });
    }
    let unreachable = |host: &HostIndex| state.host(*host).phase == HostPhase::Done(HostOutcome::Unreachable);
    let hosts: Vec<_> =
        wave.hosts().iter().filter(unreachable).map(|host| schedule.hosts[host].clone()).collect();
    if hosts.is_empty() {
        return None;
    }
    let until = now.checked_add(*BACK_OFF.get(state.retries)?).ok()?;
    Some(Action::Record(Event::RetryPlanned { wave: wave.name.clone(), hosts, until }))
}

/// Where no host may be begun now: what to do instead.
fn closed(schedule: &Schedule, state: &State, now: Timestamp) -> Option<Action> {
    let until = schedule.windows.as_ref()?.open(now).unwrap_or(Timestamp::MAX);
    if until <= now {
        return None;
    }
    // Said once.
    Some(match state.window {
        Some(awaited) if awaited == until => Action::Wait { until },
        _ => Action::Record(Event::WindowAwaited { until }),
    })
}

/// What may take only so long: so long, and how long it has taken.
fn limits(schedule: &Schedule, state: &State, now: Timestamp) -> [(Deadline, Option<Duration>, Duration); 3] {
    // What waits for a window is not worked on.
    let watch = if state.window.is_some() { state.watch } else { state.watch.at(now) };
    let wave = schedule.waves.get(state.wave).filter(|_| state.phase != Phase::Between);
    // A soak is no lack of progress.
    let hosts = wave.filter(|_| state.phase == Phase::Running);
    [
        (Deadline::Progress, hosts.and_then(|wave| wave.progress_deadline), watch.progress),
        (Deadline::Wave, wave.and_then(|wave| wave.deadline), watch.wave),
        (Deadline::Rollout, schedule.deadline, watch.rollout),
    ]
}

/// The deadline that has passed, if one has.
fn overdue(schedule: &Schedule, state: &State, now: Timestamp) -> Option<(Deadline, Duration)> {
    let limits = limits(schedule, state, now).into_iter();
    limits.filter_map(|(which, limit, taken)| Some((which, limit.filter(|limit| *limit <= taken)?))).next()
}

/// When the next deadline passes, if the rollout goes on until then.
fn due(schedule: &Schedule, state: &State, now: Timestamp) -> Option<Timestamp> {
    let left =
        limits(schedule, state, now).into_iter().filter_map(|(_, limit, taken)| limit?.checked_sub(taken));
    now.checked_add(left.min()?).ok()
}

/// What is waited for, or a deadline that comes first.
fn sooner(schedule: &Schedule, state: &State, now: Timestamp, until: Timestamp) -> Timestamp {
    due(schedule, state, now).map_or(until, |due| due.min(until))
}

fn out_of_time(schedule: &Schedule, state: &State, now: Timestamp) -> Vec<Action> {
    let Some((deadline, after)) = overdue(schedule, state, now) else { return Vec::new() };
    fail_wave(schedule, state, WaveFailure::Overdue { deadline, after: after.as_secs() })
}

/// The next step of every host that is between two. Who stops in a hurry tries a lost host at once, and no more.
fn ready_steps(state: &State, now: Timestamp) -> Vec<Action> {
    let ready = state.ready.iter().filter_map(|&host| match state.host(host).phase {
        HostPhase::Ready(step) => match waits(state.host(host), now).filter(|_| !state.is_cancelled()) {
            Some(until) => Some(Action::Wait { until }),
            None => Some(Action::Run { host, step }),
        },
        _ => None,
    });
    ready.collect()
}

/// How many hosts are in flight, and not lost.
fn under_way(state: &State) -> usize {
    state.in_flight.len() - state.lost.len()
}

/// No new host and no new activation; what is activated comes to its end. Nothing when nothing is to be waited for any
/// more: of the hosts in flight, `awaited`.
fn drain(schedule: &Schedule, state: &State, now: Timestamp, awaited: usize) -> Option<Vec<Action>> {
    let before_activation = |number: &&HostIndex| {
        matches!(state.host(**number).phase, HostPhase::Ready(Step::Inspect | Step::Stage | Step::Activate))
    };
    if let Some(&number) = state.ready.iter().find(before_activation) {
        return Some(vec![Action::Record(Event::HostAbandoned { host: schedule.hosts[number].clone() })]);
    }
    if awaited == 0 { None } else { Some(ready_steps(state, now)) }
}

/// Hosts that are lost hold up nobody's way back.
fn stopping(schedule: &Schedule, state: &State, now: Timestamp, reason: &WaveFailure) -> Vec<Action> {
    if let Some(actions) = drain(schedule, state, now, under_way(state)) {
        return actions;
    }
    let changed = |host: &HostIndex| state.host(*host).phase == HostPhase::Done(HostOutcome::Changed);
    let waves = match schedule.on_failure {
        // The certificate is good, and each way back would be one more outage.
        _ if is_disrupted_only(schedule, state, reason) => 0..0,
        // After a resume, waves behind the one that failed may be done.
        OnFailure::Rollback => 0..schedule.waves.len(),
        OnFailure::RollbackWave | OnFailure::RollbackHost => state.wave..state.wave + 1,
        OnFailure::Halt => 0..0,
    };
    let failed_in_soak: HashSet<&HostName> = match reason {
        WaveFailure::Gate(failure) => failure.hosts().iter().collect(),
        _ => HashSet::new(),
    };
    let back: Vec<HostIndex> = waves
        .rev()
        .flat_map(|wave| schedule.waves[wave].hosts())
        .filter(changed)
        .filter(|&host| {
            schedule.on_failure != OnFailure::RollbackHost || failed_in_soak.contains(&schedule.hosts[host])
        })
        .collect();
    if back.is_empty() {
        return if state.in_flight.is_empty() { finish(state) } else { ready_steps(state, now) };
    }
    let hosts = back.iter().map(|&host| schedule.hosts[host].clone()).collect();
    vec![Action::Record(Event::RollbackStarted { hosts })]
}

/// Whether a wave would be within its budget but for hosts whose switch clients noticed.
fn is_disrupted_only(schedule: &Schedule, state: &State, reason: &WaveFailure) -> bool {
    let wave = &schedule.waves[state.wave];
    let others = wave.hosts().iter().map(|host| state.host(host));
    let failed =
        others.filter(|host| host.has_failed() && !host.is_merely_disrupted()).count() + state.lost.len();
    matches!(reason, WaveFailure::Budget { .. }) && failed <= wave.max_failures
}

/// Newest wave first, one wave at a time, each with its own `parallel`; every host is tried.
fn rolling_back(
    schedule: &Schedule,
    state: &State,
    now: Timestamp,
    order: &[HostIndex],
    started: usize,
) -> Vec<Action> {
    let mut actions = ready_steps(state, now);
    actions.extend(
        turn_back(schedule, state, order, started).map(|host| Action::Run { host, step: Step::Rollback }),
    );
    if actions.is_empty() && state.in_flight.is_empty() { finish(state) } else { actions }
}

/// The hosts whose turn to go back it is.
fn turn_back<'s>(
    schedule: &'s Schedule,
    state: &'s State,
    order: &'s [HostIndex],
    started: usize,
) -> impl Iterator<Item = HostIndex> + 's {
    // Behind the first that waits there may be some that were refused.
    let mut queue = order[started.min(order.len())..]
        .iter()
        .copied()
        .filter(|&host| state.host(host).phase == HostPhase::Ready(Step::Rollback))
        .filter(|host| !state.in_flight.contains(host))
        .peekable();
    let wave = queue.peek().map_or(usize::MAX, |&first| schedule.wave_of(first));
    let mut others = state.in_flight.iter().filter(|host| !state.lost.contains(host));
    let ends = [others.next(), others.next_back()];
    // Waves are stretches of hosts: with the first and the last, all are of it.
    let alone = ends.into_iter().flatten().all(|&host| schedule.wave_of(host) == wave);
    let parallel = schedule.waves.get(wave).filter(|_| alone).map_or(0, |wave| wave.parallel);
    let free = parallel.saturating_sub(under_way(state));
    queue.take_while(move |&host| schedule.wave_of(host) == wave).take(free)
}

/// A lapsed or revoked certificate is never put back, and what never was cannot be.
fn refused_rollback(schedule: &Schedule, state: &State, now: Timestamp) -> Option<Event> {
    let turn = match &state.phase {
        Phase::RollingBack { order, started } => Some(turn_back(schedule, state, order, *started)),
        _ => None,
    };
    state.ready.iter().copied().chain(turn.into_iter().flatten()).find_map(|number| {
        let host = state.host(number);
        if host.phase != HostPhase::Ready(Step::Rollback) {
            return None;
        }
        let reason = match &host.previous {
            None if host.already && schedule.undo().is_none() => RefusedRollback::Already,
            None => RefusedRollback::NoPrevious,
            Some(previous) if previous.revoked => {
                RefusedRollback::Revoked { version: previous.version.clone() }
            }
            Some(previous) if previous.not_after <= now => {
                RefusedRollback::Lapsed { not_after: previous.not_after }
            }
            Some(Previous { version, not_after, .. })
                if schedule.undo().is_some_and(|undo| {
                    *not_after < undo.lasts_until && !undo.accepted.contains(version)
                }) =>
            {
                RefusedRollback::TooSoon { version: version.clone(), not_after: *not_after }
            }
            Some(_) => return None,
        };
        Some(Event::RollbackRefused { host: schedule.hosts[number].clone(), reason })
    })
}

fn pass_wave(schedule: &Schedule, state: &State) -> Vec<Action> {
    vec![Action::Record(Event::WavePassed { wave: schedule.waves[state.wave].name.clone() })]
}

/// On somebody's word, with nothing in flight that is finished first. What follows an abort is the same as when a wave
/// fails by itself.
fn stopped(schedule: &Schedule, state: &State, stop: &Stop) -> Vec<Action> {
    match stop {
        Stop::Abort { by } => fail_wave(schedule, state, WaveFailure::Aborted { by: by.clone() }),
        Stop::Pause { .. } | Stop::Cancel { .. } => finish(state),
    }
}

/// How it ends where it went as far as somebody let it.
fn cut_short(state: &State) -> Option<Event> {
    match &state.stop {
        Some(Stop::Cancel { .. }) => Some(Event::finished(RolloutOutcome::Interrupted)),
        Some(Stop::Pause { by }) if state.wave < state.waves() => {
            Some(Event::paused(Pause::By { by: by.clone() }))
        }
        Some(Stop::Pause { .. } | Stop::Abort { .. }) | None => None,
    }
}

fn fail_wave(schedule: &Schedule, state: &State, reason: WaveFailure) -> Vec<Action> {
    vec![Action::Record(Event::WaveFailed { wave: schedule.waves[state.wave].name.clone(), reason })]
}

/// Where going back is what was wanted.
fn undone(state: &State) -> RolloutOutcome {
    if state.hosts().iter().all(|host| host.outcome() == HostOutcome::RolledBack) {
        RolloutOutcome::RolledBack
    } else {
        RolloutOutcome::Incomplete
    }
}

fn finish(state: &State) -> Vec<Action> {
    let has = |outcome| state.hosts().iter().any(|host| host.outcome() == outcome);
    let disrupted = state.hosts().iter().any(|host| host.is_merely_disrupted());
    let failed_forward = disrupted
        || has(HostOutcome::Failed)
        || has(HostOutcome::RolledBack)
        || has(HostOutcome::Unreachable);
    let event = if has(HostOutcome::RollbackFailed) {
        Event::finished(RolloutOutcome::NeedsAttention)
    } else if !state.undo && state.failed {
        Event::finished(match (has(HostOutcome::Changed), has(HostOutcome::RolledBack)) {
            (true, _) => RolloutOutcome::NeedsAttention,
            (false, true) => RolloutOutcome::RolledBack,
            (false, false) => RolloutOutcome::Failed,
        })
    } else if let Some(event) = cut_short(state) {
        event
    } else if state.undo {
        Event::finished(undone(state))
    } else if failed_forward {
        Event::finished(RolloutOutcome::Incomplete)
    } else if has(HostOutcome::Changed) {
        Event::finished(RolloutOutcome::Succeeded)
    } else {
        Event::finished(RolloutOutcome::Unchanged)
    };
    vec![Action::Record(event)]
}
