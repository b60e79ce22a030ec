//! Exact stories of rollouts, event by event. `tests/properties` runs random ones.

mod budget;
mod deadlines;
mod disrupted;
mod doubts;
mod left;
mod lost;
mod outcomes;
mod resumes;
mod retries;
mod rollbacks;
mod soaks;
mod stops;
mod windows;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::gate::{HandshakeSample, Handshakes, Sample};
use crate::model::{Fingerprint, HostName, Version};
use crate::plan::{Direction, OnFailure, Schedule, WaveSchedule};
use crate::rollout::{
    Action, Activated, Baseline, Committed, Deadline, Disproven, Event, HostOutcome, HostPhase, HostState,
    Inspected, Measured, Pause, Previous, Proven, RefusedRollback, Silent, State, Step, StepEnded,
    StepFailure, Verified, WaveFailure, next,
};
use crate::verify::{Endpoint, EndpointState, Via};

/// A rollout as it goes on, and its time.
struct Story {
    schedule: Schedule,
    state: State,
    now: Timestamp,
}

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn version(number: u8) -> Version {
    Version::found(start(), &Fingerprint::new([number; 32]))
}

/// A version to go back to that is valid for so many seconds from the start.
fn previous(number: u8, seconds: i64) -> Previous {
    let not_after = start() + SignedDuration::from_secs(seconds);
    Previous { version: version(number), leaves: Vec::new(), not_after, revoked: false }
}

/// What an inspection finds on a host that waits for the new version.
fn found() -> Inspected {
    Inspected {
        proven: false,
        staged: false,
        previous: Some(previous(1, 86_400)),
        armed: false,
        already: false,
        undone: None,
        risks: Vec::new(),
        baseline: Baseline::default(),
    }
}

/// A port of a host that answered nobody.
fn silent(port: u16) -> Silent {
    let (address, server_name) = ("192.0.2.1".to_owned(), "a.test".parse().unwrap());
    let endpoint =
        Endpoint { address, port, server_name, via: Via::Direct, key: None, starttls: None, client: None };
    Silent { service: "nginx".parse().unwrap(), endpoint }
}

fn failed() -> StepFailure {
    StepFailure::Failed { reason: "it would not".to_owned() }
}

fn unreachable() -> StepFailure {
    StepFailure::Unreachable { reason: "no answer".to_owned() }
}

fn in_doubt() -> StepFailure {
    StepFailure::InDoubt { reason: "the line went dead".to_owned() }
}

/// A verification that finds an endpoint in another state.
fn disproven(state: EndpointState) -> StepEnded {
    let reason = "it serves something else".to_owned();
    let foreign = Vec::new();
    StepEnded::Verify(Ok(Verified::Disproven(Disproven {
        state,
        reason,
        measured: Default::default(),
        foreign,
    })))
}

/// A service shows a certificate that certwave never issued.
fn foreign(service: &str) -> StepEnded {
    let (state, reason) = (EndpointState::Unknown, "it serves something else".to_owned());
    let foreign = vec![service.parse().unwrap()];
    StepEnded::Verify(Ok(Verified::Disproven(Disproven {
        state,
        reason,
        measured: Default::default(),
        foreign,
    })))
}

/// The new certificate is served, and clients noticed the switch.
fn disrupted() -> StepEnded {
    let disrupted = Some("3 of 9 handshakes failed".to_owned());
    StepEnded::Verify(Ok(Verified::Proven(Proven { disrupted, ..Proven::default() })))
}

fn refused() -> StepEnded {
    StepEnded::Activate(Ok(Activated::Refused { reason: "unknown directive".to_owned() }))
}

/// A step as it should end.
fn good(step: Step) -> StepEnded {
    match step {
        Step::Inspect => StepEnded::Inspect(Ok(found())),
        Step::Stage => StepEnded::Stage(Ok(Baseline::default())),
        Step::Activate => StepEnded::Activate(Ok(Activated::Reloaded(Default::default()))),
        Step::Verify => StepEnded::Verify(Ok(Verified::Proven(Default::default()))),
        Step::Commit => StepEnded::Commit(Ok(Committed::Final(Vec::new()))),
        Step::Rollback => StepEnded::Rollback(Ok(Measured::default())),
    }
}

impl Story {
    /// Waves `a`, `b` … of so many hosts: `a1`, `a2` …
    fn of(waves: &[usize]) -> Self {
        let (mut hosts, mut planned) = (Vec::<HostName>::new(), Vec::new());
        for (name, &count) in ('a'..).zip(waves) {
            let first = hosts.len();
            hosts.extend((1..=count).map(|host| format!("{name}{host}").parse::<HostName>().unwrap()));
            planned.push(WaveSchedule {
                name: name.to_string().parse().unwrap(),
                batches: vec![(first..hosts.len()).into()],
                parallel: 8,
                max_failures: 0,
                soak: Duration::ZERO,
                approval: false,
                progress_deadline: None,
                deadline: None,
            });
        }
        let schedule = Schedule {
            hosts: hosts.into(),
            waves: planned,
            on_failure: OnFailure::Rollback,
            direction: Direction::Forward,
            windows: None,
            deadline: None,
            dead_man: None,
            unsoaked: Default::default(),
        };
        Self { state: State::new(&schedule), schedule, now: start() }
    }

    /// The same with another schedule.
    fn with(mut self, change: impl FnOnce(&mut Schedule)) -> Self {
        change(&mut self.schedule);
        self.state = State::new(&self.schedule);
        self
    }

    /// The same, where each wave may have so many failures.
    fn may_fail(self, failures: usize) -> Self {
        self.with(|schedule| schedule.waves.iter_mut().for_each(|wave| wave.max_failures = failures))
    }

    /// The same, where each wave soaks for a minute.
    fn soaking(self) -> Self {
        self.with(|schedule| schedule.waves.iter_mut().for_each(|wave| wave.soak = seconds(60)))
    }

    fn host(&self, name: &str) -> &HostState {
        self.state.host(self.state.number(&name.parse().unwrap()).unwrap())
    }

    fn host_mut(&mut self, name: &str) -> &mut HostState {
        let number = self.state.number(&name.parse().unwrap()).unwrap();
        self.state.host_mut(number)
    }

    fn outcome(&self, name: &str) -> HostOutcome {
        self.host(name).outcome()
    }

    fn take(&mut self, event: Event) {
        self.state.evolve(self.now, &event);
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Takes every decision that comes now and starts every step, and tells them all in short.
    fn go(&mut self) -> String {
        let mut told = Vec::new();
        loop {
            let (mut waits, mut decided) = (Vec::new(), false);
            for action in next(&self.schedule, &self.state, self.now) {
                match action {
                    Action::Record(event) => {
                        told.push(self.words(&event));
                        self.take(event);
                        decided = true;
                    }
                    Action::Run { host, step } => {
                        let host = self.schedule.hosts[host].clone();
                        told.push(format!("{host} {}", step.name()));
                        self.take(Event::StepStarted { host, step });
                    }
                    Action::Wait { until } => waits.push(format!("wait {}s", self.until(until))),
                    Action::Observe => waits.push("observe".to_owned()),
                }
            }
            if !decided {
                told.extend(waits);
                return told.join(", ");
            }
        }
    }

    fn until(&self, time: Timestamp) -> i64 {
        time.duration_since(self.now).as_secs()
    }

    fn words(&self, event: &Event) -> String {
        let names = |hosts: &[HostName]| hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ");
        match event {
            Event::WaveStarted { wave, .. } => format!("wave {wave}"),
            Event::WavePassed { wave } => format!("{wave} passes"),
            Event::WaveFailed { wave, reason } => format!("{wave} fails: {}", why(reason)),
            Event::SoakStarted { until, .. } => format!("soak {}s", self.until(*until)),
            Event::RetryPlanned { hosts, until, .. } => {
                format!("again in {}s: {}", self.until(*until), names(hosts))
            }
            Event::RetryStarted { .. } => "again".to_owned(),
            Event::WindowAwaited { until } => format!("window in {}s", self.until(*until)),
            Event::HostAwaited { host, until, .. } => format!("{host} away for {}s", self.until(*until)),
            Event::HostAbandoned { host } => format!("{host} abandoned"),
            Event::RollbackStarted { hosts } => format!("back: {}", names(hosts)),
            Event::RollbackRefused { host, reason } => format!("{host} stays: {}", why_not(reason)),
            Event::Finished { outcome, pause: None } => outcome.name().to_owned(),
            Event::Finished { pause: Some(Pause::By { by }), .. } => format!("paused by {by}"),
            Event::Finished { pause: Some(Pause::Approval { wave }), .. } => format!("{wave} needs approval"),
            Event::Finished { pause: Some(Pause::Inconclusive), .. } => "inconclusive".to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// The step that a host is in ends, and what follows of that is told.
    fn ends(&mut self, host: &str, ended: StepEnded) -> String {
        self.end(host, ended);
        self.go()
    }

    /// The step that a host is in ends; what follows of that waits.
    fn end(&mut self, host: &str, ended: StepEnded) {
        assert_eq!(self.host(host).phase, HostPhase::Running(ended.step()), "{host}");
        self.take(Event::StepFinished { host: host.parse().unwrap(), ended });
    }

    /// Hosts go on, one after the other, for as long as their steps come, and each ends as it should.
    fn change(&mut self, hosts: &[&str]) -> String {
        let mut told = Vec::new();
        for host in hosts {
            while let HostPhase::Running(step) = self.host(host).phase {
                told = vec![self.ends(host, good(step))];
            }
        }
        told.concat()
    }

    /// A host goes on until this step, which ends so.
    fn ends_at(&mut self, host: &str, ended: StepEnded) -> String {
        while let HostPhase::Running(step) = self.host(host).phase
            && step != ended.step()
        {
            self.ends(host, good(step));
        }
        self.ends(host, ended)
    }

    /// A soak that is over measured this, and failures on these hosts.
    fn measure(&mut self, tried: u64, failed: u64, hosts: &[&str]) -> String {
        let failed_hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let handshakes = Handshakes { tried, failed };
        let sample = HandshakeSample { handshakes, failed_hosts, first_failure: None };
        let wave = self.schedule.waves[self.state.wave].name.clone();
        self.take(Event::GateObserved { wave, sample: Sample::Handshakes(sample) });
        self.go()
    }

    /// The controller died or ended, and somebody takes the rollout up after so many seconds.
    fn resume(&mut self, after: i64) -> String {
        self.pass(after);
        self.take(Event::Resumed);
        self.go()
    }
}

fn why(reason: &WaveFailure) -> String {
    match reason {
        WaveFailure::Budget { failed, allowed, hosts } => format!("{failed} of {hosts}, {allowed} may"),
        WaveFailure::Interposed { host } => format!("foreign on {host}"),
        WaveFailure::Gate(_) => "soak".to_owned(),
        WaveFailure::NothingProven => "nothing proven".to_owned(),
        WaveFailure::Overdue { deadline: Deadline::Progress, after } => format!("no progress in {after}s"),
        WaveFailure::Overdue { deadline: Deadline::Wave, after } => format!("not over in {after}s"),
        WaveFailure::Overdue { deadline: Deadline::Rollout, after } => {
            format!("rollout not over in {after}s")
        }
        WaveFailure::Aborted { by } => format!("aborted by {by}"),
    }
}

fn why_not(reason: &RefusedRollback) -> &'static str {
    match reason {
        RefusedRollback::NoPrevious => "nothing before",
        RefusedRollback::Already => "had it before",
        RefusedRollback::Lapsed { .. } => "lapsed",
        RefusedRollback::TooSoon { .. } => "too soon",
        RefusedRollback::Revoked { .. } => "revoked",
    }
}
