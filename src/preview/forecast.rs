//! What the state machine would do with hosts as they were seen, if nothing fails that does not fail already.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::gate::{Gate, HandshakeSample, Handshakes, Sample};
use crate::model::WaveName;
use crate::plan::{HostIndex, PerHost, Plan};
use crate::rollout::{
    Action, Activated, Committed, Event, HostOutcome, Measured, Pause, Proven, RolloutOutcome, State, Step,
    StepEnded, Verified, WaveFailure, next,
};

use crate::preview::inspected::{inspected, staged};
use crate::preview::seen::Seen;

/// How fast hosts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as they ever are.
    Fastest,
    /// Everything takes all the time that it may.
    Slowest,
}

/// What would happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The steps of each host of the schedule, in their order.
    pub steps: PerHost<Vec<Step>>,
    /// How each would end.
    pub outcomes: PerHost<HostOutcome>,
    /// How it would end.
    pub outcome: RolloutOutcome,
    /// The waves that would fail, and why.
    pub failures: Vec<(WaveName, WaveFailure)>,
    /// From the first step to the end, windows that are waited for included; approvals are not.
    pub takes: Duration,
}

/// At its quickest, a step is a round trip and some work.
const QUICK: Duration = Duration::from_millis(200);
/// For steps that only look or copy.
const SCRIPT: Duration = Duration::from_secs(60);

/// Runs the very state machine that a rollout runs, against hosts as they were seen. `start` is when it would begin.
pub fn forecast(plan: &Plan, seen: &[Seen], pace: Pace, start: Timestamp) -> Forecast {
    let schedule = &plan.schedule;
    let mut run =
        Simulation { plan, seen, pace, now: start, state: State::new(schedule), queue: BinaryHeap::new() };
    let mut steps: PerHost<Vec<Step>> = schedule.hosts.iter().map(|_| Vec::new()).collect();
    let mut failures = Vec::new();
    loop {
        let actions = next(schedule, &run.state, run.now);
        let mut waiting = None;
        let mut decided = false;
        for action in actions {
            match action {
                Action::Record(event) => {
                    if let Event::WaveFailed { wave, reason } = &event {
                        failures.push((wave.clone(), reason.clone()));
                    }
                    run.decide(event);
                    decided = true;
                }
                Action::Run { host, step } => {
                    steps[host].push(step);
                    run.start(host, step);
                }
                Action::Wait { until } => waiting = Some(until),
                Action::Observe => {
                    let wave = &schedule.waves[run.state.wave];
                    for gate in wave.gates() {
                        let (wave, sample) = (wave.name.clone(), good(*gate));
                        run.record(&Event::GateObserved { wave, sample });
                    }
                    decided = true;
                }
            }
        }
        if let Some(outcome) = run.state.outcome {
            let takes = Duration::try_from(run.now.duration_since(start)).unwrap_or_default();
            let outcomes = run.state.hosts().iter().map(|host| host.outcome()).collect();
            return Forecast { steps, outcomes, outcome, failures, takes };
        }
        if !decided && !run.wait(waiting) {
            // Nothing runs and nothing is waited for: `next` never leaves it so.
            run.record(&Event::finished(RolloutOutcome::NeedsAttention));
        }
    }
}

struct Simulation<'a> {
    plan: &'a Plan,
    seen: &'a [Seen],
    pace: Pace,
    now: Timestamp,
    state: State,
    /// Steps that run: when each ends, and in which order they began.
    queue: BinaryHeap<Reverse<(Timestamp, HostIndex, Step)>>,
}

impl Simulation<'_> {
    fn record(&mut self, event: &Event) {
        self.state.evolve(self.now, event);
    }

    /// A rollout that waits for an approval is taken to get it.
    fn decide(&mut self, event: Event) {
        self.record(&match event {
            Event::Finished { pause: Some(Pause::Approval { wave }), .. } => {
                Event::Approved { wave, by: String::new() }
            }
            event => event,
        });
    }

    fn start(&mut self, host: HostIndex, step: Step) {
        self.record(&Event::StepStarted { host: self.plan.schedule.hosts[host].clone(), step });
        let takes = match self.pace {
            Pace::Fastest => QUICK,
            Pace::Slowest => slowest(self.plan, host, step),
        };
        let end = SignedDuration::try_from(takes).ok().and_then(|takes| self.now.checked_add(takes).ok());
        self.queue.push(Reverse((end.unwrap_or(Timestamp::MAX), host, step)));
    }

    /// Until the next step ends, or what is waited for comes first; false where there is neither.
    fn wait(&mut self, until: Option<Timestamp>) -> bool {
        let first = self.queue.peek().map(|Reverse((end, ..))| *end);
        if let Some(until) = until.filter(|until| first.is_none_or(|first| *until < first)) {
            self.now = until.max(self.now);
            return true;
        }
        let Some(Reverse((end, host, step))) = self.queue.pop() else { return false };
        self.now = end.max(self.now);
        let ended = match step {
            Step::Inspect => StepEnded::Inspect(inspected(&self.plan.hosts[host], host.of(self.seen))),
            Step::Stage => StepEnded::Stage(staged(&self.plan.hosts[host], host.of(self.seen))),
            Step::Commit => StepEnded::Commit(Ok(Committed::Final(Vec::new()))),
            Step::Activate => StepEnded::Activate(Ok(Activated::Reloaded(Default::default()))),
            Step::Verify => StepEnded::Verify(Ok(Verified::Proven(Proven::default()))),
            Step::Rollback => StepEnded::Rollback(Ok(Measured::default())),
        };
        let host = self.plan.schedule.hosts[host].clone();
        self.record(&Event::StepFinished { host, ended });
        true
    }
}

fn slowest(plan: &Plan, host: HostIndex, step: Step) -> Duration {
    let host = &plan.hosts[host];
    let services = u32::try_from(host.services.len()).unwrap_or(1);
    match step {
        Step::Inspect | Step::Stage | Step::Commit => SCRIPT,
        // A test and a reload for each service.
        Step::Activate => SCRIPT + host.timeout * 2 * services,
        Step::Verify => host.timeout,
        Step::Rollback => SCRIPT + host.timeout * (2 * services + 1),
    }
}

/// A sample with which a gate lets a wave pass.
fn good(gate: Gate) -> Sample {
    match gate {
        Gate::Handshakes => Sample::Handshakes(HandshakeSample {
            handshakes: Handshakes { tried: 1, failed: 0 },
            ..HandshakeSample::default()
        }),
    }
}
