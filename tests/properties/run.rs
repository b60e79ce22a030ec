//! A rollout in a random world, and what may never be decided or shown in any of them.

use std::collections::BTreeSet;

use certwave::gate::Sample;
use certwave::model::{HostName, ServiceName};
use certwave::plan::{HostIndex, OnFailure, Schedule};
use certwave::rollout::{
    Action, Deadline, Event, HostOutcome, HostPhase, HostState, Phase, RolloutOutcome, State, Step,
    StepEnded, Verified, WaveFailure, next,
};
use certwave::verify::EndpointState;
use jiff::{SignedDuration, Timestamp};

use crate::world::{Random, World, schedule, start};

#[derive(Clone)]
pub(crate) struct Run {
    seed: u64,
    pub(crate) schedule: Schedule,
    pub(crate) world: World,
    pub(crate) state: State,
    journal: Vec<(Timestamp, Event)>,
    pub(crate) now: Timestamp,
    /// How long nobody drove it.
    stopped: SignedDuration,
    /// After how much work this try of it, its wave, and the last progress of the wave began.
    began: [SignedDuration; 3],
    pub(crate) running: Vec<(HostIndex, Step)>,
    /// The world is not the one that the journal tells of: only the journal is looked at.
    pub(crate) torn: bool,
    /// Rollbacks were begun for hosts of this wave; they must never be of a newer one again.
    pub(crate) rolling_back_wave: Option<usize>,
    /// Itself before every event, where somebody wants to go on from there.
    pub(crate) moments: Option<Vec<Run>>,
}

/// Where a certificate answered that certwave never issued, and in which services.
fn foreign(event: &Event) -> Option<(&HostName, &[ServiceName])> {
    let Event::StepFinished { host, ended: StepEnded::Verify(Ok(Verified::Disproven(disproven))) } = event
    else {
        return None;
    };
    (disproven.state == EndpointState::Unknown).then_some((host, disproven.foreign.as_slice()))
}

impl Run {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let schedule = schedule(&mut random);
        let world = World::new(random, schedule.hosts.len(), schedule.undo().is_some());
        let state = State::new(&schedule);
        let journal = Vec::new();
        Run {
            seed,
            schedule,
            world,
            state,
            journal,
            now: start(),
            stopped: SignedDuration::ZERO,
            began: [SignedDuration::ZERO; 3],
            running: Vec::new(),
            torn: false,
            rolling_back_wave: None,
            moments: None,
        }
    }

    pub(crate) fn record(&mut self, event: Event) {
        if let Some(mut moments) = self.moments.take() {
            moments.push(self.clone());
            self.moments = Some(moments);
        }
        if self.state.window.is_some() {
            self.stop_the_watch();
        }
        self.check_event(&event);
        let done =
            |state: &State| state.hosts().iter().filter(|h| matches!(h.phase, HostPhase::Done(_))).count();
        let (before, ended) = (done(&self.state), self.state.outcome);
        self.state.evolve(self.now, &event);
        let worked = self.worked();
        match event {
            Event::WaveStarted { .. } => (self.began[1], self.began[2]) = (worked, worked),
            Event::Resumed if ended.is_some_and(|ended| ended != RolloutOutcome::Paused) => {
                self.began[0] = worked
            }
            _ if done(&self.state) > before => self.began[2] = worked,
            _ => {}
        }
        self.journal.push((self.now, event));
        self.check_state();
    }

    /// Whether more hosts of this wave than may fail showed a foreign certificate since somebody last went on, or two services or
    /// waves did.
    fn is_interposed(&self) -> bool {
        let since = self.events().rev().take_while(|event| **event != Event::Resumed).filter_map(foreign);
        let (mut hosts, mut services) = (BTreeSet::new(), BTreeSet::new());
        for (host, shown) in since {
            hosts.insert(self.state.number(host).unwrap());
            services.extend(shown);
        }
        let waves: BTreeSet<usize> = hosts.iter().map(|&host| self.schedule.wave_of(host)).collect();
        let here = hosts.iter().filter(|&&host| self.schedule.wave_of(host) == self.state.wave).count();
        let may = self.schedule.waves.get(self.state.wave).map_or(0, |wave| wave.max_failures);
        !self.schedule.goes_back() && here > 0 && (here > may || services.len() > 1 || waves.len() > 1)
    }

    fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.journal.iter().map(|(_, event)| event)
    }

    fn worked(&self) -> SignedDuration {
        self.now.duration_since(start()) - self.stopped
    }

    /// Whether the rollout, its wave, and the progress of that wave are in time, by an account of the world's own.
    fn in_time(&self) -> [bool; 3] {
        let wave = &self.schedule.waves[self.state.wave];
        let limits = [self.schedule.deadline, wave.deadline, wave.progress_deadline];
        if self.torn {
            return [true; 3];
        }
        let taken = self.began.map(|began| (self.worked() - began).unsigned_abs());
        std::array::from_fn(|which| limits[which].is_none_or(|limit| taken[which] < limit))
    }

    fn wave_named(&self, name: &str) -> usize {
        self.schedule.waves.iter().position(|wave| wave.name.as_str() == name).unwrap()
    }

    /// What may never be decided.
    fn check_event(&mut self, event: &Event) {
        let seed = self.seed;
        match event {
            Event::WaveStarted { wave, .. } => {
                let wave = self.wave_named(wave.as_str());
                for earlier in &self.schedule.waves[..wave] {
                    let passed = |e: &Event| matches!(e, Event::WavePassed { wave } if *wave == earlier.name);
                    assert!(self.events().any(passed), "seed {seed}: wave {wave} started too early");
                }
                let stop = &self.state.stop;
                assert!(stop.is_none(), "seed {seed}: a wave started after somebody asked to stop: {stop:?}");
                let approved = !self.state.lacks_approval(&self.schedule.waves[wave]);
                assert!(approved, "seed {seed}: a wave started without its approval");
            }
            Event::WavePassed { wave } => {
                let stop = &self.state.stop;
                assert!(stop.is_none(), "seed {seed}: a wave passed after somebody asked to stop: {stop:?}");
                assert!(self.in_time()[..2] == [true; 2], "seed {seed}: passed after its deadline");
                let wave = &self.schedule.waves[self.wave_named(wave.as_str())];
                let failed =
                    wave.hosts().iter().filter(|&host| self.state.host(host).outcome().is_failure()).count();
                assert!(failed <= wave.max_failures, "seed {seed}: passed over its failure budget");
                let started = self.events().rev().find_map(|event| match event {
                    Event::SoakStarted { wave: name, until } if *name == wave.name => Some(*until),
                    _ => None,
                });
                let is_news = |host: &HostIndex| match self.state.host(*host).outcome() {
                    HostOutcome::Changed => true,
                    HostOutcome::Unchanged => self.schedule.unsoaked.contains(host),
                    _ => false,
                };
                let soaks = !wave.soak.is_zero() && wave.hosts().iter().any(|host| is_news(&host));
                assert!(
                    started.is_some() || !soaks,
                    "seed {seed}: passed without the soak of what nobody watched"
                );
                if let Some(until) = started {
                    assert!(self.now >= until, "seed {seed}: passed before its soak was over");
                    let observed = self.events().rev().find_map(|event| match event {
                        Event::GateObserved { sample: Sample::Handshakes(sample), .. } => {
                            Some(sample.handshakes)
                        }
                        Event::SoakStarted { .. } => Some(Default::default()),
                        _ => None,
                    });
                    let handshakes = observed.unwrap();
                    assert!(handshakes.tried > 0 && handshakes.failed == 0, "seed {seed}: a bad soak passed");
                } else {
                    let changed =
                        wave.hosts().iter().any(|h| self.state.host(h).outcome() == HostOutcome::Changed);
                    assert!(wave.soak.is_zero() || !changed, "seed {seed}: the soak was left out");
                }
            }
            Event::WaveFailed { reason: WaveFailure::Overdue { deadline, .. }, .. } => {
                let which = match deadline {
                    Deadline::Rollout => 0,
                    Deadline::Wave => 1,
                    Deadline::Progress => 2,
                };
                assert!(self.torn || !self.in_time()[which], "seed {seed}: {deadline:?} had time left");
            }
            Event::RollbackStarted { hosts } => self.check_who_goes_back(hosts),
            Event::StepStarted { host, step } => {
                let number = self.state.number(host).unwrap();
                let state = self.state.host(number);
                if *step == Step::Rollback {
                    let previous = state.previous.as_ref().expect("rolled back to nothing");
                    assert!(previous.not_after > self.now, "seed {seed}: a lapsed certificate is put back");
                    let lasts = self.schedule.undo().is_none_or(|undo| {
                        previous.not_after >= undo.lasts_until || undo.accepted.contains(&previous.version)
                    });
                    assert!(lasts, "seed {seed}: gone back to what does not last");
                    assert!(!previous.revoked, "seed {seed}: a revoked certificate is put back");
                }
                if *step == Step::Inspect
                    && self.state.phase == Phase::Running
                    && !self.state.in_flight.contains(&number)
                {
                    assert!(self.in_time() == [true; 3], "seed {seed}: a host is begun after a deadline");
                }
                let open =
                    self.schedule.windows.as_ref().is_none_or(|all| all.open(self.now) == Some(self.now));
                let again = self.state.host(number).phase != HostPhase::Pending;
                if *step == Step::Inspect && !again {
                    assert!(open, "seed {seed}: a host is begun outside of every window");
                    assert!(!self.is_interposed(), "seed {seed}: a host is begun after foreign certificates");
                }
                if *step == Step::Activate {
                    assert!(!self.state.failed, "seed {seed}: activated after the wave failed");
                    assert!(!self.state.is_cancelled(), "seed {seed}: activated after a cancel");
                }
                if let Phase::RollingBack { .. } = self.state.phase
                    && !state.is_lost()
                {
                    let wave = self.schedule.wave_of(number);
                    assert!(self.rolling_back_wave.is_none_or(|newest| wave <= newest), "seed {seed}: order");
                    self.rolling_back_wave = Some(wave);
                }
            }
            _ => {}
        }
    }

    /// Those that `on_failure` names, of the hosts that this rollout changed.
    fn check_who_goes_back(&self, hosts: &[HostName]) {
        let failed: Vec<HostName> = match &self.state.phase {
            Phase::Stopping(WaveFailure::Gate(failure)) => failure.hosts().to_vec(),
            _ => Vec::new(),
        };
        let wave = self.schedule.waves[self.state.wave].hosts();
        for (number, host) in self.schedule.hosts.indexed() {
            let in_wave = wave.iter().any(|of_wave| of_wave == number);
            let named = match self.schedule.on_failure {
                OnFailure::Rollback => true,
                OnFailure::RollbackWave => in_wave,
                OnFailure::RollbackHost => in_wave && failed.contains(host),
                OnFailure::Halt => false,
            };
            let goes = named && self.state.host(number).outcome() == HostOutcome::Changed;
            assert_eq!(hosts.contains(host), goes, "seed {}: {host} of {hosts:?}", self.seed);
        }
    }

    /// What a wave's failures are counted by.
    fn check_counts(&self) {
        if self.state.phase != Phase::Running || self.schedule.goes_back() {
            return;
        }
        let hosts = self.schedule.waves[self.state.wave].hosts();
        let count = |is: fn(HostOutcome) -> bool| {
            let done = |host: &HostState| matches!(host.phase, HostPhase::Done(outcome) if is(outcome));
            self.state.hosts()[hosts].iter().filter(|host| done(host)).count()
        };
        let counted = [self.state.failures, self.state.changed, self.state.proven];
        let changed = count(|outcome| outcome == HostOutcome::Changed);
        let unchanged = count(|outcome| outcome == HostOutcome::Unchanged);
        let is = [count(HostOutcome::is_failure), changed, changed + unchanged];
        assert_eq!(counted, is, "seed {}: failures, changed, proven", self.seed);
    }

    fn check_state(&self) {
        self.check_counts();
        // Those that are lost hold up nobody.
        let under_way = self.state.in_flight.iter().filter(|host| !self.state.host(**host).is_lost());
        let waves: Vec<usize> = under_way.map(|&h| self.schedule.wave_of(h)).collect();
        if let Some(&wave) = waves.first() {
            assert!(waves.iter().all(|&other| other == wave), "seed {}: two waves in flight", self.seed);
            let parallel = self.schedule.waves[wave].parallel;
            assert!(waves.len() <= parallel, "seed {}: {} in flight of {parallel}", self.seed, waves.len());
        }
        for (number, host) in self.state.hosts().indexed() {
            let truth = &self.world.hosts[number];
            if let HostPhase::Done(HostOutcome::Changed | HostOutcome::Unchanged) = host.phase {
                assert!(
                    self.torn || (truth.serves_new && !truth.armed),
                    "seed {}: host {number:?} is shown as done, and is not, or not for good: {truth:?}",
                    self.seed
                );
            }
            if let HostPhase::Done(outcome) = host.phase
                && truth.serves_new
                && truth.ever_switched
                && !truth.already
            {
                let shown_clean = matches!(
                    outcome,
                    HostOutcome::RolledBack
                        | HostOutcome::Untouched
                        | HostOutcome::Unreachable
                        | HostOutcome::Failed
                );
                assert!(
                    !shown_clean,
                    "seed {}: host {number:?} serves the new one, shown as {outcome:?}",
                    self.seed
                );
            }
        }
    }

    /// The process dies: what ran may or may not have happened; a new one replays the journal.
    pub(crate) fn crash(&mut self) {
        let running = std::mem::take(&mut self.running);
        for (host, step) in running {
            if self.world.random.chance(50) {
                let exposure = self.state.host(host).exposure;
                self.world.act(host, step, exposure);
            }
        }
        self.world.dead_man(30);
        let mut replayed = State::new(&self.schedule);
        self.journal.iter().for_each(|(at, event)| replayed.evolve(*at, event));
        assert_eq!(replayed, self.state, "seed {}: replay gives another state", self.seed);
        self.resume();
    }

    /// Nobody worked on it since the last event.
    fn stop_the_watch(&mut self) {
        let since = self.journal.last().map_or(start(), |(last, _)| *last);
        self.stopped += self.now.duration_since(since);
    }

    /// After a while: nobody worked on it, so no deadline comes nearer.
    pub(crate) fn resume(&mut self) {
        let away = SignedDuration::from_secs(self.world.random.below(100) as i64);
        self.now += away;
        // How long it had been worked on since the last event, nobody knows.
        if self.state.window.is_none() {
            self.stop_the_watch();
        }
        self.record(Event::Resumed);
    }

    fn finish_one(&mut self) {
        let at = self.world.random.below(self.running.len());
        let (host, step) = self.running.swap_remove(at);
        let exposure = self.state.host(host).exposure;
        let ended = self.world.act(host, step, exposure);
        let host = self.schedule.hosts[host].clone();
        self.record(Event::StepFinished { host, ended });
    }

    fn look_at_the_soak(&mut self) {
        let wave = &self.schedule.waves[self.state.wave];
        let sample = self.world.soak(&self.schedule.hosts[wave.hosts()]);
        self.record(Event::GateObserved { wave: wave.name.clone(), sample: Sample::Handshakes(sample) });
    }

    /// Somebody at another terminal.
    fn steer(&mut self) {
        let by = || "ann".to_owned();
        match self.world.random.below(300) {
            0..3 => self.record(Event::PauseRequested { by: by() }),
            3 => self.record(Event::AbortRequested { by: by() }),
            4..40 => {
                let wave = self.world.random.below(self.schedule.waves.len());
                self.record(Event::Approved { wave: self.schedule.waves[wave].name.clone(), by: by() });
            }
            _ => {}
        }
    }

    pub(crate) fn run_out(&mut self, crashes: usize, cancels: bool) -> RolloutOutcome {
        for turn in 0..5_000 {
            if let Some(outcome) = self.state.outcome {
                return outcome;
            }
            if crashes > 0 && self.world.random.chance(crashes) && turn < 500 {
                self.crash();
            }
            if cancels && !self.state.is_cancelled() && self.world.random.chance(3) {
                self.record(Event::Cancelled);
            }
            if cancels {
                self.steer();
            }
            let actions = next(&self.schedule, &self.state, self.now);
            assert_eq!(actions, next(&self.schedule, &self.state, self.now), "seed {}", self.seed);
            assert!(!actions.is_empty() || !self.running.is_empty(), "seed {}: deadlock", self.seed);
            let mut waiting = None;
            for action in actions {
                match action {
                    Action::Record(event) => self.record(event),
                    Action::Run { host, step } => {
                        let name = self.schedule.hosts[host].clone();
                        assert!(!self.running.iter().any(|(other, _)| *other == host), "seed {}", self.seed);
                        self.record(Event::StepStarted { host: name, step });
                        self.running.push((host, step));
                    }
                    Action::Wait { until } => waiting = Some(until),
                    Action::Observe => self.look_at_the_soak(),
                }
            }
            if !self.running.is_empty() && self.world.random.chance(60) {
                self.finish_one();
            } else if matches!(self.state.phase, Phase::Soaking { .. }) && self.world.random.chance(20) {
                // Somebody looked before the soak was over.
                self.look_at_the_soak();
            } else if let Some(until) = waiting {
                // Time passes, not always far enough.
                let target = if self.world.random.chance(50) {
                    until
                } else {
                    self.now + SignedDuration::from_secs(7)
                };
                self.now = target.max(self.now);
            }
        }
        panic!("seed {}: it does not end: {:?}", self.seed, self.state.phase);
    }

    pub(crate) fn check_outcome(&self, outcome: RolloutOutcome) {
        let seed = self.seed;
        let outcomes: Vec<HostOutcome> = self.state.hosts().iter().map(|host| host.outcome()).collect();
        let has = |wanted| outcomes.contains(&wanted);
        for (host, outcome) in self.state.hosts().iter().zip(&outcomes) {
            assert!(matches!(host.phase, HostPhase::Done(_) | HostPhase::Pending), "seed {seed}: {host:?}");
            if matches!(host.phase, HostPhase::Pending) {
                assert_eq!(*outcome, HostOutcome::Untouched);
            }
        }
        match outcome {
            RolloutOutcome::Succeeded => {
                let all = outcomes.iter().all(|o| matches!(o, HostOutcome::Changed | HostOutcome::Unchanged));
                assert!(all, "seed {seed}: {outcomes:?}");
                let serve_it = self.torn || self.world.hosts.iter().all(|host| host.serves_new);
                assert!(serve_it, "seed {seed}: succeeded, but a host does not serve the new certificate");
            }
            RolloutOutcome::Unchanged => {
                let all = outcomes.iter().all(|o| *o == HostOutcome::Unchanged);
                assert!(all, "seed {seed}: {outcomes:?}");
            }
            RolloutOutcome::RolledBack => {
                let undo = self.schedule.undo().is_some();
                let back = self
                    .world
                    .hosts
                    .iter()
                    .all(|host| !(host.serves_new && (undo || host.ever_switched)) || host.already);
                assert!(back, "seed {seed}: rolled back, but a host serves the new certificate");
            }
            RolloutOutcome::Failed => {
                let touched = has(HostOutcome::Changed) || has(HostOutcome::RollbackFailed);
                assert!(!touched, "seed {seed}: failed before any host was changed, but");
                assert!(
                    self.world
                        .hosts
                        .iter()
                        .all(|host| !(host.serves_new && host.ever_switched) || host.already),
                    "seed {seed}"
                );
            }
            RolloutOutcome::NeedsAttention => {
                assert!(
                    has(HostOutcome::RollbackFailed) || has(HostOutcome::Changed),
                    "seed {seed}: nobody is named"
                );
            }
            RolloutOutcome::Incomplete => {
                let left = self.schedule.undo().is_some() && has(HostOutcome::Untouched);
                assert!(left || outcomes.iter().any(|o| o.is_failure()), "seed {seed}");
            }
            RolloutOutcome::Interrupted => assert!(self.state.is_cancelled(), "seed {seed}"),
            RolloutOutcome::Paused => {}
        }
        if self.state.is_cancelled() {
            let forward = matches!(
                outcome,
                RolloutOutcome::Succeeded | RolloutOutcome::Incomplete | RolloutOutcome::Unchanged
            );
            assert!(!forward, "seed {seed}: told to stop, but ended {outcome:?}");
        }
        if self.schedule.on_failure == OnFailure::Rollback && self.state.failed {
            assert!(!has(HostOutcome::Changed), "seed {seed}: a rollback left a host on the new certificate");
        }
    }
}
