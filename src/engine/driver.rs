//! The loop: ask [`next`] what to do, journal it, do it, journal how it went. How steps went and which begin for that
//! share one write: the disk is waited for once a turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::gate::{Gate, Sample};
use crate::model::later;
use crate::plan::{HostIndex, Schedule};
use crate::ports::{Clock, Effects, JournalError, Observer, RolloutJournal, SoakWatch};
use crate::rollout::{
    Action, Baseline, Event, HostPhase, Phase, State, Step, StepEnded, StepFailure, is_decisive, next,
};

/// How often a soaking wave is looked at.
const SOAK_TICK: Duration = Duration::from_secs(1);
/// From one write of the journal to the next, for each step under way: the more there are, the more share a write. A
/// single host does not wait; with a thousand in flight, the disk is waited for fifty times a second and no more.
const GATHER: Duration = Duration::from_micros(20);

/// How a drive ended.
#[derive(Debug)]
pub struct Driven {
    /// The rollout as it is now.
    pub state: State,
    /// The journal could not be written from some point on: no further host was started then, and what
    /// was in flight was finished or rolled back all the same.
    pub journal_failure: Option<JournalError>,
    /// What happened since then.
    pub unwritten: Vec<(Timestamp, Event)>,
}

/// What people ask for while it runs.
#[derive(Debug)]
pub struct Steering {
    /// Turning true stops it.
    pub cancel: watch::Receiver<bool>,
    /// Events to journal as they come.
    pub commands: mpsc::Receiver<Event>,
}

/// Carries a rollout from `state` to its end.
pub async fn drive<E: Effects>(
    schedule: &Schedule,
    state: State,
    effects: Arc<E>,
    journal: impl RolloutJournal,
    clock: impl Clock,
    observer: impl Observer,
    Steering { mut cancel, mut commands }: Steering,
) -> Driven {
    let now = clock.now();
    let (news, unwritten) = (Vec::new(), Vec::new());
    let mut drive = Drive {
        schedule,
        state,
        effects,
        journal,
        clock,
        observer,
        now,
        written: now,
        news,
        unwritten,
        failure: None,
    };
    let mut steps = Steps::default();
    let mut soak: Option<E::Watch> = None;
    // Where another controller acts now, steps in flight are let go of: it finds out what they did.
    while drive.state.outcome.is_none() && !drive.is_deposed() {
        let (mut started, mut wake, mut decided) = (Vec::new(), None, false);
        for action in next(schedule, &drive.state, drive.now) {
            match action {
                Action::Record(event) => {
                    drive.take_in(event);
                    decided = true;
                }
                Action::Run { host, step } => started.push((host, step)),
                Action::Wait { until } => wake = Some(until),
                Action::Observe => {
                    drive.observe(soak.as_mut()).await;
                    decided = true;
                }
            }
        }
        let soaking = matches!(drive.state.phase, Phase::Soaking { .. });
        soak = soak.filter(|_| soaking);
        if decided || !drive.write(&started).await {
            continue;
        }
        drive.begin(started, &mut steps);
        if soaking && soak.is_none() {
            soak = Some(drive.effects.watch(drive.gates(), drive.proven_hosts()));
        }
        tokio::select! {
            mut finished = steps.finished(), if !steps.is_empty() => {
                drive.gather(steps.running.len()).await;
                finished.extend(steps.others());
                drive.now = drive.clock.now();
                for (host, ended) in finished {
                    let host = schedule.hosts[host].clone();
                    drive.take_in(Event::StepFinished { host, ended: ended.visible() });
                }
            }
            Ok(()) = cancel.changed(), if !drive.state.is_cancelled() => {
                drive.now = drive.clock.now();
                if *cancel.borrow() {
                    drive.take_in(Event::Cancelled);
                }
            }
            Some(command) = commands.recv() => {
                drive.now = drive.clock.now();
                drive.take_in(command);
            }
            () = drive.nap(wake) , if wake.is_some() => {
                drive.now = drive.clock.now();
                drive.look_at(soak.as_ref(), wake);
            }
        }
    }
    drive.write(&[]).await;
    Driven { state: drive.state, journal_failure: drive.failure, unwritten: drive.unwritten }
}

struct Drive<'s, E, J, C, O> {
    schedule: &'s Schedule,
    state: State,
    effects: Arc<E>,
    journal: J,
    clock: C,
    observer: O,
    /// Of the turn that is under way: all that comes of it has one time.
    now: Timestamp,
    /// When the journal was written last.
    written: Timestamp,
    /// Taken in, and not yet offered to the journal.
    news: Vec<(Timestamp, Event)>,
    unwritten: Vec<(Timestamp, Event)>,
    failure: Option<JournalError>,
}

impl<E: Effects, J: RolloutJournal, C: Clock, O: Observer> Drive<'_, E, J, C, O> {
    /// Takes an event in. Nothing is done or shown for its sake before [`Drive::write`].
    fn take_in(&mut self, event: Event) {
        self.state.evolve(self.now, &event);
        self.news.push((self.now, event));
    }

    /// Makes durable, at once, what is new and which steps begin for its sake; then shows it. Whether they may begin:
    /// where not, nothing was decided yet, and [`next`] is to be asked again.
    async fn write(&mut self, started: &[(HostIndex, Step)]) -> bool {
        if self.news.is_empty() && started.is_empty() {
            return true;
        }
        let start = |&(host, step): &(HostIndex, Step)| {
            (self.now, Event::StepStarted { host: self.schedule.hosts[host].clone(), step })
        };
        let starting: Vec<_> = started.iter().map(start).collect();
        let mut told = std::mem::take(&mut self.news);
        self.unwritten.extend_from_slice(&told);
        let mut may_begin = true;
        match self.journal.append([self.unwritten.as_slice(), &starting].concat()).await {
            Ok(()) => self.unwritten.clear(),
            // Nobody could resume from here, so nothing new is begun; but a host in flight is not left
            // half done for want of a line in a file. The events are offered again with the next ones.
            Err(error) => {
                let first = self.failure.replace(error).is_none();
                if first {
                    let stopping = (self.now, Event::Cancelled);
                    self.state.evolve(self.now, &stopping.1);
                    self.unwritten.push(stopping.clone());
                    told.push(stopping);
                }
                may_begin = !first && !self.is_deposed();
                // Nothing is reported that the journal does not have: another controller decides about these hosts now, and may have changed
                // them since.
                if self.is_deposed() {
                    told.clear();
                }
                if may_begin {
                    self.unwritten.extend_from_slice(&starting);
                }
            }
        }
        if may_begin {
            starting.iter().for_each(|(at, event)| self.state.evolve(*at, event));
            told.extend(starting);
        }
        self.written = self.clock.now();
        self.observer.events(&told, &self.state);
        told.iter().for_each(|(_, event)| self.release(event));
        may_begin
    }

    /// Until the next write is due.
    async fn gather(&self, under_way: usize) {
        let due = later(self.written, GATHER.saturating_mul(u32::try_from(under_way).unwrap_or(u32::MAX)));
        self.clock.sleep(Duration::try_from(due.duration_since(self.clock.now())).unwrap_or_default()).await;
    }

    /// Another controller acts now.
    fn is_deposed(&self) -> bool {
        matches!(self.failure, Some(JournalError::Deposed(_)))
    }

    fn release(&self, event: &Event) {
        let host = match event {
            Event::StepFinished { host, .. }
            | Event::HostAbandoned { host }
            | Event::RollbackRefused { host, .. } => host,
            _ => return,
        };
        if let Some(number) = self.state.number(host)
            && matches!(self.state.host(number).phase, HostPhase::Done(_) | HostPhase::Pending)
        {
            self.effects.release(number);
        }
    }

    fn begin(&self, started: Vec<(HostIndex, Step)>, steps: &mut Steps) {
        for (host, step) in started {
            let (effects, known) = (self.effects.clone(), self.state.host(host).clone());
            let task = steps.tasks.spawn(async move { effects.run(host, step, known).await });
            steps.running.insert(task.id(), (host, step));
        }
    }

    /// Each with what it showed before its switch.
    fn proven_hosts(&self) -> Vec<(HostIndex, Baseline)> {
        let wave = &self.schedule.waves[self.state.wave];
        let proven = |host: &HostIndex| {
            use crate::rollout::HostOutcome::{Changed, Unchanged};
            matches!(self.state.host(*host).phase, HostPhase::Done(Changed | Unchanged))
        };
        let hosts = wave.hosts().iter().filter(proven);
        hosts.map(|host| (host, self.state.host(host).baseline.clone())).collect()
    }

    fn gates(&self) -> &'static [Gate] {
        self.schedule.waves[self.state.wave].gates()
    }

    /// What each gate of the wave measured; nothing, where nobody watches.
    async fn observe(&mut self, soak: Option<&mut E::Watch>) {
        let samples = match soak {
            Some(soak) => {
                soak.finish().await;
                self.now = self.clock.now();
                soak.so_far()
            }
            None => self.gates().iter().map(|gate| Sample::empty(*gate)).collect(),
        };
        self.take_in_samples(samples);
    }

    fn take_in_samples(&mut self, samples: Vec<Sample>) {
        let wave = &self.schedule.waves[self.state.wave].name;
        for sample in samples {
            self.take_in(Event::GateObserved { wave: wave.clone(), sample });
        }
    }

    /// Until the soak ends, but no longer than a tick.
    async fn nap(&self, wake: Option<Timestamp>) {
        let left = wake.map_or(SOAK_TICK, |wake| {
            Duration::try_from(wake.duration_since(self.clock.now())).unwrap_or_default()
        });
        self.clock.sleep(left.min(SOAK_TICK)).await;
    }

    /// What decides a soak before it is over is journaled at once; anything else is only shown.
    fn look_at(&mut self, soak: Option<&E::Watch>, wake: Option<Timestamp>) {
        let (Some(soak), Some(until)) = (soak, wake) else { return };
        let samples = soak.so_far();
        if is_decisive(self.schedule, &self.state, &samples, self.now) {
            self.take_in_samples(samples);
        } else {
            self.observer.soaking(&samples, until, self.clock.now());
        }
    }
}

/// Steps that run.
#[derive(Default)]
struct Steps {
    tasks: JoinSet<StepEnded>,
    running: HashMap<Id, (HostIndex, Step)>,
}

impl Steps {
    fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits for one.
    async fn finished(&mut self) -> Vec<(HostIndex, StepEnded)> {
        let ended = self.tasks.join_next_with_id().await;
        ended.and_then(|ended| self.end(ended)).into_iter().collect()
    }

    /// All that have finished since.
    fn others(&mut self) -> Vec<(HostIndex, StepEnded)> {
        std::iter::from_fn(|| self.tasks.try_join_next_with_id().map(|ended| self.end(ended)))
            .flatten()
            .collect()
    }

    fn end(&mut self, ended: Result<(Id, StepEnded), JoinError>) -> Option<(HostIndex, StepEnded)> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let (host, step) = self.running.remove(&id)?;
        let ended = ended.map(|(_, ended)| ended).unwrap_or_else(|error| {
            // A step that panicked may have done anything.
            let reason = format!("certwave failed: {error}");
            StepEnded::without_result(step, StepFailure::InDoubt { reason })
        });
        Some((host, ended))
    }
}

#[cfg(test)]
mod tests;
