//! What the events of a rollout come to, one after the other.

use jiff::Timestamp;

use crate::model::WaveName;
use crate::plan::{PerHost, Schedule};
use crate::report::view::{HostSummary, Summary};
use crate::rollout::{
    Activated, Committed, Event, Inspected, Pause, Phase, Proven, Reloaded, Remark, RolloutOutcome, State,
    StepEnded, Stop, Verified, WaveFailure,
};
use crate::verify::{EndpointState, HeldOutcome};

/// Takes in the events of a rollout, in order, and keeps what its summary says; the events themselves are not kept.
#[derive(Debug)]
pub struct Tally<'s> {
    schedule: &'s Schedule,
    state: State,
    spans: PerHost<Option<(Timestamp, Timestamp)>>,
    proven: PerHost<Option<EndpointState>>,
    risks: PerHost<Vec<Remark>>,
    outcome: Option<RolloutOutcome>,
    failure: Option<(WaveName, WaveFailure)>,
    pause: Option<Pause>,
}

impl<'s> Tally<'s> {
    /// Of a rollout that has not begun.
    pub fn new(schedule: &'s Schedule) -> Self {
        Self {
            schedule,
            state: State::new(schedule),
            spans: schedule.hosts.iter().map(|_| None).collect(),
            proven: schedule.hosts.iter().map(|_| None).collect(),
            risks: schedule.hosts.iter().map(|_| Vec::new()).collect(),
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
                if let Event::StepFinished { ended, .. } = event {
                    self.proven[number] = proof(ended).or(self.proven[number]);
                    if let StepEnded::Inspect(Ok(Inspected { risks, .. })) = ended
                        && !risks.is_empty()
                    {
                        self.risks[number].clone_from(risks);
                    }
                    if let StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { risks, .. })))
                    | StepEnded::Verify(Ok(Verified::Proven(Proven { risks, .. })))
                    | StepEnded::Commit(Ok(Committed::Final(risks))) = ended
                    {
                        let known = &mut self.risks[number];
                        let new = risks.iter().filter(|risk| !known.contains(risk)).cloned();
                        known.extend(new.collect::<Vec<_>>());
                    }
                }
            }
            Event::WaveFailed { wave, reason } => self.failure = Some((wave.clone(), reason.clone())),
            Event::Resumed => self.pause = None,
            Event::Finished { outcome, pause } => {
                self.outcome = Some(*outcome);
                let paused = *outcome == RolloutOutcome::Paused;
                self.pause = pause.clone().or_else(|| paused.then(|| self.unwritten_pause()));
            }
            _ => {}
        }
    }

    /// The rollout so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Why it is paused, in a journal that does not say: earlier versions did not write it down.
    fn unwritten_pause(&self) -> Pause {
        let Self { schedule, state, .. } = self;
        if let Some(Stop::Pause { by }) = &state.stop {
            return Pause::By { by: by.clone() };
        }
        let next = schedule.waves.get(state.wave).filter(|_| state.phase == Phase::Between);
        match next.filter(|wave| state.lacks_approval(wave)) {
            Some(wave) => Pause::Approval { wave: wave.name.clone() },
            None => Pause::Inconclusive,
        }
    }

    /// How it went so far.
    pub fn summary(self) -> Summary {
        let Self { schedule, state, spans, proven, mut risks, outcome, failure, pause } = self;
        let hosts = state.hosts().indexed().zip(&schedule.hosts).map(|((number, host), name)| {
            let measured = host.measured.clone().unwrap_or_default();
            HostSummary {
                host: name.clone(),
                wave: schedule.waves[schedule.wave_of(number)].name.clone(),
                outcome: host.outcome(),
                state: proven[number],
                failed_handshakes: measured.handshakes.failed,
                dropped_connections: measured.held.map(|held| u32::from(matches!(held, HeldOutcome::Cut(_)))),
                closed_connections: (measured.idle > 0).then_some(measured.closed),
                idle: measured.idle,
                // Between a death and its end the clock may have been set back.
                seconds: spans[number].map_or(0.0, |(first, last)| {
                    (last.duration_since(first).as_millis().max(0) as f64 / 10.0).round() / 100.0
                }),
                error: host.error.clone(),
                breaks_at: None,
                kept: host.already && host.is_touched(),
                risks: std::mem::take(&mut risks[number]),
                handshakes: measured.handshakes.tried,
            }
        });
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
fn proof(ended: &StepEnded) -> Option<EndpointState> {
    match ended {
        StepEnded::Inspect(Ok(Inspected { proven: true, .. })) => Some(EndpointState::New),
        StepEnded::Verify(Ok(Verified::Proven(_))) => Some(EndpointState::New),
        StepEnded::Verify(Ok(Verified::Disproven(disproven))) => Some(disproven.state),
        StepEnded::Rollback(Ok(_)) => Some(EndpointState::Previous),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
