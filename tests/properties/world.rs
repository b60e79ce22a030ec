//! A random world: hosts that fail, lie, and lose their connection, with the truth about what each serves.

use std::time::Duration;

use certwave::gate::{HandshakeSample, Handshakes};
use certwave::model::{Fingerprint, HostName, Version};
use certwave::plan::{
    Direction, HostIndex, OnFailure, PerHost, PlannedWindows, Schedule, Undo, WaveSchedule, batches,
};
use certwave::rollout::{
    Activated, Baseline, Committed, Disproven, Exposure, Inspected, Measured, Previous, Proven, Step,
    StepEnded, StepFailure, Verified,
};
use certwave::verify::EndpointState;
use jiff::Timestamp;

/// A small generator (SplitMix64): the same seed gives the same world on every machine.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What a host really does.
#[derive(Debug, Clone)]
pub(crate) struct TrueHost {
    pub(crate) serves_new: bool,
    pub(crate) link_new: bool,
    pub(crate) staged: bool,
    /// The new certificate was being served at some time because of this rollout.
    pub(crate) ever_switched: bool,
    pub(crate) previous: Option<Previous>,
    /// It had the new certificate before, for good; its servers may serve another all the same.
    pub(crate) already: bool,
    /// Its dead-man switch waits for a confirmation.
    pub(crate) armed: bool,
    /// Its server does not take the new certificate.
    pub(crate) broken: bool,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) hosts: PerHost<TrueHost>,
    /// Nothing goes wrong any more.
    pub(crate) mended: bool,
    /// How often, in a hundred, a step's connection fails.
    pub(crate) flakiness: usize,
}

pub(crate) fn schedule(random: &mut Random) -> Schedule {
    let count = 1 + random.below(12);
    let hosts: PerHost<HostName> = (0..count).map(|host| format!("h{host}").parse().unwrap()).collect();
    let mut waves = Vec::new();
    let mut first = 0;
    while first < count {
        let end = (first + 1 + random.below(count)).min(count);
        let sizes: Vec<_> = (0..random.below(3))
            .map(|_| {
                if random.chance(50) {
                    format!("{}", random.below(4))
                } else {
                    format!("{}%", random.below(101))
                }
            })
            .map(|size| size.parse().unwrap())
            .collect();
        waves.push(WaveSchedule {
            name: format!("w{}", waves.len()).parse().unwrap(),
            batches: batches(first..end, &sizes),
            parallel: 1 + random.below(4),
            max_failures: if random.chance(60) { 0 } else { random.below(3) },
            soak: Duration::from_secs(if random.chance(50) { 0 } else { 60 }),
            approval: random.chance(10),
            progress_deadline: limit(random, 5),
            deadline: limit(random, 70),
        });
        first = end;
    }
    let on_failure = [OnFailure::Rollback, OnFailure::RollbackWave, OnFailure::RollbackHost, OnFailure::Halt]
        [random.below(4)];
    let unsoaked = hosts.range().iter().filter(|_| random.chance(10)).collect();
    let mut schedule = Schedule {
        hosts,
        waves,
        on_failure,
        direction: if random.chance(15) { Direction::Back } else { Direction::Forward },
        windows: windows(random),
        deadline: limit(random, 120),
        dead_man: random.chance(30).then(|| Duration::from_secs(1 + random.below(60) as u64)),
        unsoaked,
    };
    if schedule.goes_back() {
        schedule.on_failure = OnFailure::Halt;
        for wave in &mut schedule.waves {
            (wave.max_failures, wave.soak) = (wave.hosts().len(), Duration::ZERO);
            (wave.progress_deadline, wave.deadline) = (None, None);
        }
        (schedule.deadline, schedule.windows) = (None, None);
        schedule.unsoaked.clear();
        if random.chance(50) {
            let seconds = start().as_second() + if random.chance(20) { 100_000 } else { 10_000 };
            let lasts_until = Timestamp::from_second(seconds).unwrap();
            let accepted = if random.chance(30) { vec![before()] } else { Vec::new() };
            schedule.direction = Direction::Undo(Undo { lasts_until, accepted });
        }
    }
    schedule
}

/// Minutes of the day in which hosts may be begun: the world starts at 08:00.
fn windows(random: &mut Random) -> Option<PlannedWindows> {
    let allow = ["Mon-Sun 08:00-08:02 UTC", "Mon-Sun 08:03-08:05 UTC", "Mon-Sun 08:06-08:30 UTC"];
    let allow = allow.into_iter().map(|window| window.parse().unwrap()).collect();
    random.chance(15).then(|| PlannedWindows { allow, override_before_expiry: None, served_until: None })
}

/// A deadline, here and there: sometimes a tight one.
fn limit(random: &mut Random, least: usize) -> Option<Duration> {
    random.chance(15).then(|| Duration::from_secs((least + random.below(60)) as u64))
}

pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// The version that every host had before.
pub(crate) fn before() -> Version {
    Version::found(start(), &Fingerprint::new([1; 32]))
}

impl World {
    pub(crate) fn new(mut random: Random, hosts: usize, undo: bool) -> Self {
        let flakiness = [0, 0, 5, 25][random.below(4)];
        let breakage = [0, 0, 10, 40][random.below(4)];
        let hosts = (0..hosts)
            .map(|_| {
                let already = random.chance(if undo { 90 } else { 10 });
                let valid_for = if random.chance(5) { -1 } else { 86_400 };
                let previous = Previous {
                    version: before(),
                    leaves: vec![Fingerprint::new([1; 32])],
                    not_after: Timestamp::from_second(start().as_second() + valid_for).unwrap(),
                    revoked: random.chance(4),
                };
                TrueHost {
                    already: already && !undo,
                    serves_new: already && (undo || random.chance(50)),
                    link_new: already,
                    staged: already || random.chance(10),
                    ever_switched: false,
                    armed: false,
                    previous: (!random.chance(5) && (undo || !already)).then_some(previous),
                    broken: random.chance(breakage),
                }
            })
            .collect();
        Self { random, hosts, flakiness, mended: false }
    }

    /// Does a step, or half of it, and answers as a host would.
    pub(crate) fn act(&mut self, number: HostIndex, step: Step, exposure: Exposure) -> StepEnded {
        let reason = || "the line went dead".to_owned();
        if self.random.chance(self.flakiness / 5) {
            self.dead_man(30);
        }
        if self.random.chance(self.flakiness) {
            if self.random.chance(50) {
                let failure = StepFailure::Unreachable { reason: reason() };
                return StepEnded::without_result(step, failure);
            }
            if self.random.chance(50) {
                self.effect(number, step, exposure);
            }
            return StepEnded::without_result(step, StepFailure::InDoubt { reason: reason() });
        }
        self.effect(number, step, exposure)
    }

    /// Time passes: armed hosts whose turn it is undo what nobody confirmed.
    pub(crate) fn dead_man(&mut self, percent: usize) {
        let Self { hosts, random, .. } = self;
        for host in hosts.iter_mut().filter(|host| host.armed && host.link_new) {
            let never = |previous: &Previous| previous.revoked || previous.not_after <= start();
            let lapsed = host.previous.as_ref().is_none_or(never);
            if !lapsed && random.chance(percent) {
                (host.link_new, host.serves_new, host.armed) = (false, false, false);
            }
        }
    }

    fn effect(&mut self, number: HostIndex, step: Step, exposure: Exposure) -> StepEnded {
        let roll = if self.mended { 99 } else { self.random.below(100) };
        let host = &mut self.hosts[number];
        let reason = || "it would not".to_owned();
        let failed = || StepFailure::Failed { reason: reason() };
        let disproven = |state| {
            let services = ["nginx", "haproxy"].map(|name| name.parse().unwrap());
            let shown = usize::from(state == EndpointState::Unknown) * (1 + roll % 2);
            let foreign = services[..shown].to_vec();
            Ok(Verified::Disproven(Disproven {
                state,
                reason: reason(),
                measured: Measured::default(),
                foreign,
            }))
        };
        match step {
            Step::Inspect if host.broken && roll < 20 => StepEnded::Inspect(Err(failed())),
            Step::Inspect => StepEnded::Inspect(Ok(Inspected {
                proven: host.serves_new && host.link_new,
                staged: host.staged,
                previous: host.previous.clone(),
                armed: host.link_new && host.armed,
                already: host.already,
                undone: None,
                risks: Vec::new(),
                baseline: Baseline::default(),
            })),
            Step::Stage if host.broken && roll < 30 => StepEnded::Stage(Err(failed())),
            Step::Stage => {
                host.staged = true;
                StepEnded::Stage(Ok(Baseline::default()))
            }
            Step::Activate if host.broken && roll < 40 => {
                StepEnded::Activate(Ok(Activated::Refused { reason: reason() }))
            }
            Step::Activate if host.broken && roll < 60 => {
                (host.link_new, host.armed) = (true, host.previous.is_some());
                StepEnded::Activate(Err(failed()))
            }
            Step::Activate => {
                (host.link_new, host.serves_new, host.ever_switched) = (true, true, true);
                host.armed = host.previous.is_some();
                StepEnded::Activate(Ok(Activated::Reloaded(Default::default())))
            }
            Step::Verify => StepEnded::Verify(match host {
                TrueHost { broken: true, .. } if roll < 5 => disproven(EndpointState::Unknown),
                TrueHost { broken: true, .. } | TrueHost { serves_new: false, .. } => {
                    disproven(EndpointState::Previous)
                }
                _ => Ok(Verified::Proven(Proven::default())),
            }),
            Step::Commit if !host.link_new || roll < 3 => {
                StepEnded::Commit(Ok(Committed::Refused { reason: reason() }))
            }
            Step::Commit => {
                host.armed = false;
                StepEnded::Commit(if roll < 8 { Err(failed()) } else { Ok(Committed::Final(Vec::new())) })
            }
            Step::Rollback if roll < 5 => StepEnded::Rollback(Err(failed())),
            Step::Rollback => {
                (host.link_new, host.armed) = (false, false);
                if exposure == Exposure::Reloaded {
                    host.serves_new = false;
                }
                StepEnded::Rollback(if host.serves_new { Err(failed()) } else { Ok(Measured::default()) })
            }
        }
    }

    /// What a soak of these hosts measured so far.
    pub(crate) fn soak(&mut self, hosts: &[HostName]) -> HandshakeSample {
        let tried = if !self.mended && self.random.chance(3) { 0 } else { 100 };
        let failed_hosts: Vec<HostName> = match !self.mended && tried > 0 && self.random.chance(5) {
            true => hosts.iter().filter(|_| self.random.chance(40)).cloned().collect(),
            false => Vec::new(),
        };
        let handshakes = Handshakes { tried, failed: failed_hosts.len() as u64 };
        HandshakeSample { handshakes, failed_hosts, first_failure: None }
    }
}
