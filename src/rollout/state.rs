//! What a rollout is now: the fold over its events.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::gate::Sample;
use crate::model::{HostName, WaveName};
use crate::plan::{HostIndex, HostRange, PerHost, Schedule, WaveSchedule, whole};
use crate::rollout::event::{Event, WaveFailure};
use crate::rollout::foreign::Foreign;
use crate::rollout::host::{Exposure, HostPhase, HostState, finish_step, refuse_rollback, undo_step};
use crate::rollout::lost::{note_step, note_switch};
use crate::rollout::outcome::{HostOutcome, RolloutOutcome};
use crate::rollout::step::{Step, StepEnded, Verified};
use crate::rollout::stop::Stop;
use crate::rollout::stopwatch::Stopwatch;
use crate::verify::EndpointState;

/// Where the rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Before a wave, or between two.
    Between,
    /// Hosts of the wave are being changed.
    Running,
    /// The wave is watched.
    Soaking {
        /// Until when.
        until: Timestamp,
        /// What its gates measured, once asked: of each the last.
        samples: Vec<Sample>,
    },
    /// The wave failed; what is in flight comes to its end.
    Stopping(WaveFailure),
    /// Hosts go back.
    RollingBack {
        /// In this order.
        order: Vec<HostIndex>,
        /// So many of them, from the first, have had their turn.
        started: usize,
    },
}

/// The whole rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where it is; at its end, where it was last.
    pub phase: Phase,
    /// How it ended, until it is resumed.
    pub outcome: Option<RolloutOutcome>,
    /// The wave that it is in, or comes next.
    pub wave: usize,
    /// The batch of that wave.
    pub batch: usize,
    /// Waves that passed, in this try or an earlier one.
    passed: BTreeSet<usize>,
    /// Hosts that have not had their turn.
    pub waiting: BTreeSet<HostIndex>,
    /// Hosts that could not be reached, and when they are tried again.
    pub retry: Option<(Timestamp, Vec<HostIndex>)>,
    /// How often that was done in this wave.
    pub retries: usize,
    /// Each host goes back to what it had before.
    pub undo: bool,
    /// What somebody asked for that ends it before its time.
    pub stop: Option<Stop>,
    /// Waves that may begin though they ask for an approval.
    pub approved: BTreeSet<WaveName>,
    /// A wave failed.
    pub failed: bool,
    /// Hosts between their first step and their end.
    pub in_flight: BTreeSet<HostIndex>,
    /// Those of them that are between two steps: what is asked after every event is asked of these alone.
    pub(super) ready: BTreeSet<HostIndex>,
    /// Those in flight that cannot be reached on their way back: nobody waits for them but the rollout's end.
    pub lost: BTreeSet<HostIndex>,
    /// The longest that a host's dead-man switch waits.
    pub(super) dead_man: Option<Duration>,
    /// Failed hosts of the current wave.
    pub failures: usize,
    /// Hosts of the current wave that serve the new certificate, proven.
    pub proven: usize,
    /// Hosts of the current wave that this rollout changed.
    pub changed: usize,
    /// Hosts where a certificate that certwave never issued appeared.
    pub foreign: Foreign,
    /// How long it has been worked on.
    pub watch: Stopwatch,
    /// The window that is waited for.
    pub window: Option<Timestamp>,
    hosts: PerHost<HostState>,
    index: HashMap<HostName, HostIndex>,
    waves: Vec<Vec<HostRange>>,
}

impl State {
    /// Before the first event.
    pub fn new(schedule: &Schedule) -> Self {
        Self {
            phase: Phase::Between,
            outcome: None,
            wave: 0,
            batch: 0,
            passed: BTreeSet::new(),
            waiting: schedule.hosts.range().iter().collect(),
            retry: None,
            retries: 0,
            undo: schedule.undo().is_some(),
            stop: None,
            approved: BTreeSet::new(),
            failed: false,
            in_flight: BTreeSet::new(),
            ready: BTreeSet::new(),
            lost: BTreeSet::new(),
            dead_man: schedule.dead_man,
            failures: 0,
            proven: 0,
            changed: 0,
            foreign: Foreign::default(),
            watch: Stopwatch::default(),
            window: None,
            hosts: schedule.hosts.iter().map(|_| HostState::new()).collect(),
            index: schedule.hosts.iter().cloned().zip(schedule.hosts.range()).collect(),
            waves: schedule.waves.iter().map(|wave| wave.batches.clone()).collect(),
        }
    }

    /// A host by its number in the schedule.
    pub fn host(&self, number: HostIndex) -> &HostState {
        &self.hosts[number]
    }

    #[cfg(test)]
    pub(super) fn host_mut(&mut self, number: HostIndex) -> &mut HostState {
        &mut self.hosts[number]
    }

    /// Every host, in the schedule's order.
    pub fn hosts(&self) -> &PerHost<HostState> {
        &self.hosts
    }

    /// The number of a host in the schedule.
    pub fn number(&self, host: &HostName) -> Option<HostIndex> {
        self.index.get(host).copied()
    }

    /// Takes in one event, and when it was. An event about an unknown host changes nothing: it cannot have come
    /// from this schedule.
    pub fn evolve(&mut self, at: Timestamp, event: &Event) {
        // Nobody works on it while it waits for a window.
        let awaited = self.window.take().is_some();
        let stopped = awaited || self.outcome.is_some() || matches!(event, Event::Resumed);
        let undo = self.undo;
        self.watch = if stopped { self.watch.after_a_stop(at) } else { self.watch.at(at) };
        match event {
            Event::Started { .. } => {}
            Event::WaveStarted { .. } => {
                self.phase = Phase::Running;
                self.batch = 0;
                (self.watch.wave, self.watch.progress) = Default::default();
                (self.retry, self.retries) = (None, 0);
                // Where the wave runs for the hosts that were left, the others count as they are.
                let hosts = &self.hosts[self.wave_hosts()];
                let count =
                    |outcome| hosts.iter().filter(|host| host.phase == HostPhase::Done(outcome)).count();
                let (changed, unchanged) = (count(HostOutcome::Changed), count(HostOutcome::Unchanged));
                self.failures = hosts.iter().filter(|host| host.has_failed()).count();
                (self.proven, self.changed) = (changed + unchanged, changed);
            }
            Event::StepStarted { host, step } => self.start(at, host, *step),
            Event::StepFinished { host, ended } => self.finish(at, host, ended),
            Event::HostAwaited { host, until, .. } => self.on(host, |host| host.retry_at = Some(*until)),
            Event::HostAbandoned { host } => self.abandon(host),
            Event::RollbackRefused { host, reason } => {
                self.on(host, |host| refuse_rollback(host, reason, undo))
            }
            Event::WindowAwaited { until } => self.window = Some(*until),
            Event::RetryPlanned { hosts, until, .. } => {
                self.retries += 1;
                self.retry = Some((*until, hosts.iter().filter_map(|host| self.number(host)).collect()));
            }
            Event::RetryStarted { .. } => {
                for number in self.retry.take().map(|(_, hosts)| hosts).unwrap_or_default() {
                    self.hosts[number] = HostState::new();
                    self.waiting.insert(number);
                    self.failures -= 1;
                }
                self.batch = 0;
            }
            Event::SoakStarted { until, .. } => {
                self.phase = Phase::Soaking { until: *until, samples: Vec::new() };
            }
            Event::GateObserved { sample, .. } => {
                if let Phase::Soaking { samples, .. } = &mut self.phase {
                    samples.retain(|before| before.gate() != sample.gate());
                    samples.push(sample.clone());
                }
            }
            Event::WavePassed { .. } => {
                self.passed.insert(self.wave);
                self.phase = Phase::Between;
                self.wave += 1;
                self.batch = 0;
                // Done in an earlier try.
                while self.passed.contains(&self.wave)
                    && self.waiting.range(self.wave_hosts()).next().is_none()
                {
                    self.wave += 1;
                }
            }
            Event::WaveFailed { reason, .. } => {
                self.failed = true;
                self.phase = Phase::Stopping(reason.clone());
            }
            Event::RollbackStarted { hosts } => {
                let order: Vec<HostIndex> = hosts.iter().filter_map(|host| self.number(host)).collect();
                for &number in &order {
                    let host = &mut self.hosts[number];
                    host.phase = HostPhase::Ready(Step::Rollback);
                    (host.exposure, host.doubts) = (Exposure::Reloaded, 0);
                }
                self.phase = Phase::RollingBack { order, started: 0 };
            }
            Event::PauseRequested { by } => self.ask(Stop::Pause { by: by.clone() }),
            Event::AbortRequested { by } => self.ask(Stop::Abort { by: by.clone() }),
            Event::Approved { wave, .. } => {
                self.approved.insert(wave.clone());
            }
            Event::Cancelled => self.ask(Stop::CANCEL),
            Event::Resumed => self.resume(),
            Event::Finished { outcome, .. } => self.outcome = Some(*outcome),
        }
        self.advance_batch();
        self.advance_rollback();
    }

    fn ask(&mut self, stop: Stop) {
        self.stop = Some(stop.after(self.stop.take()));
    }

    fn start(&mut self, at: Timestamp, host: &HostName, step: Step) {
        let Some(number) = self.number(host) else { return };
        let host = &mut self.hosts[number];
        (host.phase, host.retry_at) = (HostPhase::Running(step), None);
        if step == Step::Activate {
            note_switch(host, at, self.dead_man);
        }
        self.waiting.remove(&number);
        self.ready.remove(&number);
        self.in_flight.insert(number);
    }

    /// Changes one host, and counts it when that ended it.
    fn on(&mut self, host: &HostName, change: impl FnOnce(&mut HostState)) {
        let Some(number) = self.number(host) else { return };
        let host = &mut self.hosts[number];
        change(host);
        if let HostPhase::Done(outcome) = host.phase
            && self.in_flight.remove(&number)
            && !matches!(self.phase, Phase::RollingBack { .. })
        {
            self.watch.progress = Duration::ZERO;
            self.failures += usize::from(self.hosts[number].has_failed());
            self.changed += usize::from(outcome == HostOutcome::Changed);
            self.proven += usize::from(matches!(outcome, HostOutcome::Changed | HostOutcome::Unchanged));
        }
        self.note_ready(number);
    }

    /// Keeps `ready` what it says, for one host.
    fn note_ready(&mut self, number: HostIndex) {
        let in_flight = self.in_flight.contains(&number);
        let ready = matches!(self.hosts[number].phase, HostPhase::Ready(_));
        for (is_in, set) in [(ready, &mut self.ready), (self.hosts[number].is_lost(), &mut self.lost)] {
            if is_in && in_flight {
                set.insert(number);
            } else {
                set.remove(&number);
            }
        }
    }

    fn abandon(&mut self, host: &HostName) {
        let Some(number) = self.number(host) else { return };
        let host = &mut self.hosts[number];
        if host.is_touched() {
            // In doubt: it is not activated again, it goes back.
            host.fail("the rollout was stopped", HostPhase::Ready(Step::Rollback));
        } else {
            // Its turn comes again when somebody goes on.
            *host = HostState::new();
            self.in_flight.remove(&number);
            self.waiting.insert(number);
        }
        self.note_ready(number);
    }

    fn finish(&mut self, at: Timestamp, name: &HostName, ended: &StepEnded) {
        if let StepEnded::Verify(Ok(Verified::Disproven(disproven))) = ended
            && disproven.state == EndpointState::Unknown
            && let Some(number) = self.number(name)
        {
            self.foreign.note(number, &disproven.foreign);
        }
        let (undo, dead_man, patient) = (self.undo, self.dead_man, !self.is_cancelled());
        self.on(name, |host| {
            note_step(host, ended, at, dead_man);
            match ended {
                StepEnded::Inspect(Ok(inspected)) if undo => undo_step(host, inspected.previous.as_ref()),
                ended => finish_step(host, ended, at, patient),
            }
        });
    }

    /// Whatever was under way may or may not have happened. Who goes on with a rollout that had ended wants
    /// what is left of it to be done.
    fn resume(&mut self) {
        let ended = self.outcome.take();
        self.stop = self.stop.take().and_then(|stop| stop.resumed(ended.is_some()));
        // Nobody watched while the controller was away: a soak starts anew.
        if matches!(self.phase, Phase::Soaking { .. }) {
            self.phase = Phase::Running;
        }
        // Nor is it known how long that was: hosts that were waited for are tried now.
        if let Some((until, _)) = &mut self.retry {
            *until = Timestamp::MIN;
        }
        if let Some(ended) = ended {
            self.reopen(ended);
        }
        let running: Vec<HostIndex> = self.in_flight.iter().copied().collect();
        for number in running {
            let host = &mut self.hosts[number];
            // Who goes on does not wait as long as who went away would have.
            host.retry_at = host.unheard.then_some(Timestamp::MIN);
            let HostPhase::Running(step) = host.phase else { continue };
            host.phase = HostPhase::Ready(match step {
                Step::Inspect => Step::Inspect,
                Step::Rollback => Step::Rollback,
                Step::Activate => {
                    host.exposure = Exposure::Reloaded;
                    Step::Inspect
                }
                Step::Stage | Step::Verify | Step::Commit => Step::Inspect,
            });
        }
        self.hosts.range().iter().for_each(|number| self.note_ready(number));
    }

    /// Hosts that were left get another turn: in the direction that the rollout went.
    fn reopen(&mut self, ended: RolloutOutcome) {
        (self.retry, self.retries) = (None, 0);
        if ended != RolloutOutcome::Paused {
            // Another try has all the time again.
            self.watch.rollout = Duration::ZERO;
        }
        let (back, undo) = (self.failed, self.undo);
        let mut again = Vec::new();
        for number in self.hosts.range() {
            let host = &mut self.hosts[number];
            let HostPhase::Done(outcome) = host.phase else { continue };
            // Whoever resumes knows what clients noticed; its certificate is good.
            if std::mem::take(&mut host.disrupted) {
                host.error = None;
            }
            let left = match outcome {
                HostOutcome::Untouched => !back,
                _ if undo && !back => outcome != HostOutcome::RolledBack,
                HostOutcome::Failed | HostOutcome::Unreachable | HostOutcome::RolledBack => {
                    !back && ended == RolloutOutcome::Incomplete
                }
                HostOutcome::RollbackFailed => host.previous.is_some(),
                HostOutcome::Changed | HostOutcome::Unchanged => false,
            };
            if !left {
                continue;
            }
            (host.error, host.doubts, host.unheard) = (None, 0, false);
            // A rollback that was aborted has no further wave: what it left half-way goes back by itself.
            if outcome == HostOutcome::RollbackFailed && (back || !undo) {
                again.push(number);
            } else {
                *host = HostState { previous: host.previous.take(), ..HostState::new() };
                self.foreign.forget(number);
                self.waiting.insert(number);
            }
        }
        if !again.is_empty() {
            again.reverse();
            again.iter().for_each(|&number| self.hosts[number].phase = HostPhase::Ready(Step::Rollback));
            self.phase = Phase::RollingBack { order: again, started: 0 };
        } else if !back && let Some(&first) = self.waiting.first() {
            let wave =
                self.waves.partition_point(|batches| batches.last().is_none_or(|last| last.end <= first));
            if wave < self.wave || !matches!(self.phase, Phase::Running) {
                (self.wave, self.phase) = (wave.min(self.wave), Phase::Between);
            }
            self.batch = 0;
        }
    }

    /// Whether somebody asked to stop at once, with nothing rolled back that is done.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.stop, Some(Stop::Cancel { .. }))
    }

    /// Whether a wave passed, in this try or an earlier one.
    pub fn has_passed(&self, wave: usize) -> bool {
        self.passed.contains(&wave)
    }

    /// How many waves there are.
    pub(super) fn waves(&self) -> usize {
        self.waves.len()
    }

    /// Whether a wave may not begin yet.
    pub fn lacks_approval(&self, wave: &WaveSchedule) -> bool {
        wave.approval && !self.approved.contains(&wave.name)
    }

    /// The hosts of the wave that it is in.
    pub(super) fn wave_hosts(&self) -> HostRange {
        whole(self.waves.get(self.wave).map(Vec::as_slice).unwrap_or_default())
    }

    /// Passes over hosts that were started, or refused.
    fn advance_rollback(&mut self) {
        let Phase::RollingBack { order, started } = &mut self.phase else { return };
        while let Some(&number) = order.get(*started)
            && (self.hosts[number].phase != HostPhase::Ready(Step::Rollback)
                || self.in_flight.contains(&number))
        {
            *started += 1;
        }
    }

    /// The next batch begins when nothing of the one before is in flight.
    fn advance_batch(&mut self) {
        if self.phase != Phase::Running || !self.in_flight.is_empty() {
            return;
        }
        let Some(batches) = self.waves.get(self.wave) else { return };
        while let Some(batch) = batches.get(self.batch)
            && self.waiting.range(..batch.end).next().is_none()
            && self.batch + 1 < batches.len()
        {
            self.batch += 1;
        }
    }
}
