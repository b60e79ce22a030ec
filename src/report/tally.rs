//! What the events of a rollout come to, one after the other.

use jiff::Timestamp;

use crate::model::WaveName;
use crate::plan::Schedule;
use crate::report::summary::{HostSummary, Summary};
use crate::rollout::{Event, Phase, Remark, RolloutOutcome, State, Step, StepResult, WaveFailure};
use crate::verify::{EndpointState, HeldOutcome};

/// Takes in the events of a rollout, in order, and keeps what its summary says; the events themselves are not kept.
#[derive(Debug)]
pub struct Tally<'s> {
    schedule: &'s Schedule,
    state: State,
    spans: Vec<Option<(Timestamp, Timestamp)>>,
    proven: Vec<Option<EndpointState>>,
    risks: Vec<Vec<Remark>>,
    outcome: Option<RolloutOutcome>,
    failure: Option<(WaveName, WaveFailure)>,
    pause: Option<String>,
}

impl<'s> Tally<'s> {
    /// Of a rollout that has not begun.
    pub fn new(schedule: &'s Schedule) -> Self {
        let hosts = schedule.hosts.len();
        Self {
            schedule,
            state: State::new(schedule),
            spans: vec![None; hosts],
            proven: vec![None; hosts],
            risks: vec![Vec::new(); hosts],
            outcome: None,
            failure: None,
            pause: None,
        }
    }

    /// The next event.
    pub fn take_in(&mut self, time: Timestamp, event: &Event) {
        self.state.evolve(time, event);
        match event {
            Event::StepStarted { host, .. } | Event::StepFinished { host, .. } => {
                let Some(number) = self.state.number(host) else { return };
                let span = &mut self.spans[number];
                *span = Some((span.map_or(time, |(first, _)| first), time));
                if let Event::StepFinished { step, result, .. } = event {
                    self.proven[number] = proof(*step, result).or(self.proven[number]);
                    if let StepResult::Inspected { risks, .. } = result
                        && !risks.is_empty()
                    {
                        self.risks[number].clone_from(risks);
                    }
                }
            }
            Event::WaveFailed { wave, reason } => self.failure = Some((wave.clone(), reason.clone())),
            Event::PauseRequested { by } => self.pause = Some(format!("paused by {by}")),
            Event::Resumed => self.pause = None,
            Event::Finished { outcome } => self.outcome = Some(*outcome),
            _ => {}
        }
    }

    /// How it went so far.
    pub fn summary(self) -> Summary {
        let Self { schedule, state, spans, proven, mut risks, outcome, failure, pause } = self;
        let hosts = state.hosts().iter().zip(&schedule.hosts).enumerate().map(|(number, (host, name))| {
            let measured = host.measured.clone().unwrap_or_default();
            HostSummary {
                host: name.clone(),
                wave: schedule.waves[schedule.wave_of(number)].name.clone(),
                outcome: host.outcome(),
                state: proven[number],
                failed_handshakes: measured.handshakes.failed,
                dropped_connections: u32::from(matches!(measured.held, Some(HeldOutcome::Cut(_)))),
                // Between a death and its end the clock may have been set back.
                seconds: spans[number].map_or(0.0, |(first, last)| {
                    (last.duration_since(first).as_millis().max(0) as f64 / 10.0).round() / 100.0
                }),
                error: host.error.clone(),
                breaks_at: None,
                risks: std::mem::take(&mut risks[number]),
                handshakes: measured.handshakes.tried,
            }
        });
        let awaits = schedule.waves.get(state.wave).filter(|wave| state.lacks_approval(wave));
        let awaits = awaits.filter(|_| state.phase == Phase::Between);
        let pause = pause.or(awaits.map(|wave| format!("wave `{}` waits for an approval", wave.name)));
        Summary {
            outcome,
            hosts: hosts.collect(),
            pause,
            back: schedule.goes_back(),
            undo: schedule.undo().is_some(),
            failure,
        }
    }
}

/// What a step's end says about what is served.
fn proof(step: Step, result: &StepResult) -> Option<EndpointState> {
    match (step, result) {
        (Step::Verify, StepResult::Proven(_)) | (_, StepResult::Inspected { proven: true, .. }) => {
            Some(EndpointState::New)
        }
        (Step::Verify, StepResult::Disproven { state, .. }) => Some(*state),
        (Step::Rollback, StepResult::RolledBack) => Some(EndpointState::Previous),
        _ => None,
    }
}
