//! The loop: ask [`next`] what to do, journal it, do it, journal how it went.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};

use super::ports::{Clock, Journal, JournalError, Observer};
use crate::gate::Handshakes;
use crate::plan::Schedule;
use crate::rollout::{Action, Event, HostPhase, HostState, Phase, State, Step, StepResult, next};

/// How often a soaking wave is looked at.
const SOAK_TICK: Duration = Duration::from_secs(1);

/// What the steps do to hosts.
pub trait Effects: Send + Sync + 'static {
    /// A watch over hosts; it ends when dropped.
    type Watch: SoakWatch;

    /// Does a step on a host, given what is known about it. Every failure is an answer.
    fn run(&self, host: usize, step: Step, known: HostState) -> impl Future<Output = StepResult> + Send;

    /// The host is done: let its connection go.
    fn release(&self, host: usize);

    /// Starts handshakes against hosts that are done, one after the other, until dropped.
    fn watch(&self, hosts: Vec<usize>) -> Self::Watch;
}

/// A watch over a soaking wave.
pub trait SoakWatch: Send {
    /// What it saw since it started.
    fn so_far(&self) -> Watched;
}

/// What a watch saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watched {
    /// How many handshakes.
    pub handshakes: Handshakes,
    /// Hosts where one failed.
    pub failed_hosts: Vec<usize>,
    /// The first failure in words.
    pub first_failure: Option<String>,
}

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
    pub wishes: mpsc::Receiver<Event>,
}

/// Carries a rollout from `state` to its end.
pub async fn drive<E: Effects>(
    schedule: &Schedule,
    state: State,
    effects: Arc<E>,
    journal: impl Journal,
    clock: impl Clock,
    observer: impl Observer,
    Steering { mut cancel, mut wishes }: Steering,
) -> Driven {
    let mut drive =
        Drive { schedule, state, effects, journal, clock, observer, unwritten: Vec::new(), failure: None };
    let mut steps = Steps::default();
    let mut soak: Option<E::Watch> = None;
    while drive.state.outcome.is_none() {
        if drive.is_deposed() {
            // Steps in flight are let go of: the other one finds out what they did.
            break;
        }
        let mut wake: Option<Timestamp> = None;
        let actions = next(schedule, &drive.state, drive.clock.now());
        let mut started = Vec::new();
        let mut decided = false;
        for action in actions {
            match action {
                Action::Record(event) => {
                    drive.record(vec![event]).await;
                    decided = true;
                }
                Action::Run { host, step } => started.push((host, step)),
                Action::Wait { until } => wake = Some(until),
                Action::Observe => {
                    let watched = soak.as_ref().map(SoakWatch::so_far).unwrap_or_default();
                    drive.record(vec![drive.observed(watched)]).await;
                    decided = true;
                }
            }
        }
        drive.start(started, &mut steps).await;
        match drive.state.phase {
            Phase::Soaking { .. } if soak.is_none() => soak = Some(drive.effects.watch(drive.proven_hosts())),
            Phase::Soaking { .. } => {}
            _ => soak = None,
        }
        if decided {
            continue;
        }
        let finished = tokio::select! {
            finished = steps.finished(), if !steps.is_empty() => finished,
            Ok(()) = cancel.changed(), if !drive.state.cancelled => {
                if *cancel.borrow() {
                    drive.record(vec![Event::Cancelled]).await;
                }
                Vec::new()
            }
            Some(wish) = wishes.recv() => {
                drive.record(vec![wish]).await;
                Vec::new()
            }
            () = drive.nap(wake) , if wake.is_some() => {
                drive.look_at(soak.as_ref(), wake).await;
                Vec::new()
            }
        };
        let events = finished.into_iter().map(|(host, step, result)| {
            let host = schedule.hosts[host].clone();
            Event::StepFinished { host, step, result }
        });
        drive.record(events.collect()).await;
    }
    Driven { state: drive.state, journal_failure: drive.failure, unwritten: drive.unwritten }
}

struct Drive<'s, E, J, C, O> {
    schedule: &'s Schedule,
    state: State,
    effects: Arc<E>,
    journal: J,
    clock: C,
    observer: O,
    unwritten: Vec<(Timestamp, Event)>,
    failure: Option<JournalError>,
}

impl<E: Effects, J: Journal, C: Clock, O: Observer> Drive<'_, E, J, C, O> {
    /// Makes events durable, then takes them in and shows them.
    async fn record(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let now = self.clock.now();
        self.unwritten.extend(events.iter().map(|event| (now, event.clone())));
        match self.journal.append(self.unwritten.clone()).await {
            Ok(()) => self.unwritten.clear(),
            // Nobody could resume from here, so nothing new is begun; but a host in flight is not left
            // half done for want of a line in a file. The events are offered again with the next ones.
            Err(error) => {
                if self.failure.replace(error).is_none() {
                    let event = Event::Cancelled;
                    self.state.evolve(now, &event);
                    self.observer.event(now, &event, &self.state);
                }
            }
        }
        for event in events {
            self.state.evolve(now, &event);
            self.observer.event(now, &event, &self.state);
            self.release(&event);
        }
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

    async fn start(&mut self, started: Vec<(usize, Step)>, steps: &mut Steps) {
        let event = |&(host, step): &(usize, Step)| Event::StepStarted {
            host: self.schedule.hosts[host].clone(),
            step,
        };
        let forward_before = self.failure.is_none();
        self.record(started.iter().map(event).collect()).await;
        if self.is_deposed() {
            return;
        }
        for (host, step) in started {
            let known = self.state.host(host).clone();
            if forward_before && self.failure.is_some() && step < Step::Verify {
                // The intent did not reach the journal: the step is not begun.
                let reason = "the journal could not be written".to_owned();
                let task = steps.tasks.spawn(async { StepResult::Unreachable { reason } });
                steps.running.insert(task.id(), (host, step));
                continue;
            }
            let effects = self.effects.clone();
            let task = steps.tasks.spawn(async move { effects.run(host, step, known).await });
            steps.running.insert(task.id(), (host, step));
        }
    }

    fn proven_hosts(&self) -> Vec<usize> {
        let wave = &self.schedule.waves[self.state.wave];
        let proven = |host: &usize| {
            use crate::rollout::HostOutcome::{Changed, Unchanged};
            matches!(self.state.host(*host).phase, HostPhase::Done(Changed | Unchanged))
        };
        wave.hosts().filter(proven).collect()
    }

    fn observed(&self, watched: Watched) -> Event {
        Event::SoakObserved {
            wave: self.schedule.waves[self.state.wave].name.clone(),
            handshakes: watched.handshakes,
            failed_hosts: watched
                .failed_hosts
                .iter()
                .map(|&host| self.schedule.hosts[host].clone())
                .collect(),
            first_failure: watched.first_failure,
        }
    }

    /// Until the soak ends, but no longer than a tick.
    async fn nap(&self, wake: Option<Timestamp>) {
        let left = wake.map_or(SOAK_TICK, |wake| {
            Duration::try_from(wake.duration_since(self.clock.now())).unwrap_or_default()
        });
        self.clock.sleep(left.min(SOAK_TICK)).await;
    }

    /// A failure during a soak is not slept over; anything else is only shown.
    async fn look_at(&mut self, soak: Option<&E::Watch>, wake: Option<Timestamp>) {
        let (Some(soak), Some(until)) = (soak, wake) else { return };
        let watched = soak.so_far();
        if watched.handshakes.failed > 0 {
            self.record(vec![self.observed(watched)]).await;
        } else {
            self.observer.soaking(watched.handshakes, until, self.clock.now());
        }
    }
}

/// Steps that run.
#[derive(Default)]
struct Steps {
    tasks: JoinSet<StepResult>,
    running: HashMap<Id, (usize, Step)>,
}

impl Steps {
    fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits for one, then takes all that are finished: they share one write to the journal.
    async fn finished(&mut self) -> Vec<(usize, Step, StepResult)> {
        let mut all = Vec::new();
        let mut ended = self.tasks.join_next_with_id().await;
        while let Some(end) = ended {
            let (id, result) = match end {
                Ok((id, result)) => (id, result),
                // A step that panicked may have done anything.
                Err(error) => {
                    (error.id(), StepResult::InDoubt { reason: format!("certwave failed: {error}") })
                }
            };
            all.extend(self.running.remove(&id).map(|(host, step)| (host, step, result)));
            ended = self.tasks.try_join_next_with_id();
        }
        all
    }
}
