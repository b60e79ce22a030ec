//! What is known about one host, and what the end of a step means for it.

use self::HostPhase::{Done, Ready};
use jiff::Timestamp;

use crate::rollout::baseline::Baseline;
use crate::rollout::event::RefusedRollback;
use crate::rollout::measured::{Measured, Proven};
use crate::rollout::outcome::HostOutcome::{
    self, Changed, Failed, RollbackFailed, RolledBack, Unchanged, Unreachable,
};
use crate::rollout::patience::{is_tried_again, promise};
use crate::rollout::step::{
    Activated, Committed, Disproven, Inspected, Previous, Step, StepEnded, StepFailure, Verified,
};

/// A step that ended in doubt is tried this often in all before the host is rolled back.
const ATTEMPTS: u8 = 2;

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPhase {
    /// Its turn has not come.
    Pending,
    /// Between steps: this one comes next.
    Ready(Step),
    /// In this step.
    Running(Step),
    /// It is done.
    Done(HostOutcome),
}

/// How far a host has gone towards the new certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Exposure {
    /// Nothing that is live was changed.
    #[default]
    None,
    /// It may have been switched on the disk.
    Switched,
    /// Something may have been reloaded with the new certificate.
    Reloaded,
}

/// What is known about a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    /// Where it is.
    pub phase: HostPhase,
    /// What it can go back to, once inspected.
    pub previous: Option<Previous>,
    /// It had the new certificate before this rollout, for good.
    pub already: bool,
    /// What its endpoints showed before it was switched, as far as is known.
    pub baseline: Baseline,
    /// How far it has gone, as far as is known.
    pub exposure: Exposure,
    /// It serves the new certificate, but clients noticed its switch: it counts as failed.
    pub disrupted: bool,
    /// What was seen while it was switched, there and back.
    pub measured: Option<Measured>,
    /// Why it failed, or what else went wrong, in words.
    pub error: Option<String>,
    /// When its dead-man switch will have put its previous certificate back, where one is armed.
    pub returns_at: Option<Timestamp>,
    /// It did not answer on its way back.
    pub(super) unheard: bool,
    /// When it is tried again, once that is decided.
    pub(super) retry_at: Option<Timestamp>,
    pub(super) doubts: u8,
}

impl HostState {
    pub(super) fn new() -> Self {
        Self {
            phase: HostPhase::Pending,
            previous: None,
            already: false,
            baseline: Baseline::default(),
            exposure: Exposure::None,
            disrupted: false,
            measured: None,
            error: None,
            returns_at: None,
            unheard: false,
            retry_at: None,
            doubts: 0,
        }
    }

    /// Whether what is live may have been changed.
    pub fn is_touched(&self) -> bool {
        self.exposure > Exposure::None
    }

    /// Whether it cannot be reached on its way back.
    pub fn is_lost(&self) -> bool {
        self.unheard && !matches!(self.phase, HostPhase::Done(_))
    }

    /// How the host ended, as far as it has.
    pub fn outcome(&self) -> HostOutcome {
        match self.phase {
            HostPhase::Done(outcome) => outcome,
            HostPhase::Pending | HostPhase::Ready(_) | HostPhase::Running(_) if self.is_touched() => {
                HostOutcome::RollbackFailed
            }
            _ => HostOutcome::Untouched,
        }
    }

    /// Whether it serves the new certificate, and failed only since clients noticed its switch.
    pub(super) fn is_merely_disrupted(&self) -> bool {
        self.disrupted && self.outcome() == HostOutcome::Changed
    }

    /// Whether it is done, and counts against its wave's failure budget.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.phase, HostPhase::Done(outcome) if outcome.is_failure() || self.disrupted)
    }

    pub(super) fn fail(&mut self, reason: &str, phase: HostPhase) {
        // The first reason is the cause; what follows from it is told by the outcome.
        if self.error.is_none() {
            self.error = Some(reason.to_owned());
        }
        self.phase = phase;
    }

    /// A step that may have happened: look again, but not for ever.
    fn doubt(&mut self, reason: &str) {
        self.doubts += 1;
        if self.doubts < ATTEMPTS {
            self.phase = HostPhase::Ready(Step::Inspect);
        } else if self.is_touched() {
            self.fail(reason, HostPhase::Ready(Step::Rollback));
        } else {
            self.fail(reason, HostPhase::Done(HostOutcome::Unreachable));
        }
    }
}

/// A host that was looked at in order to go back.
pub(super) fn undo_step(host: &mut HostState, previous: Option<&Previous>) {
    host.previous = previous.cloned();
    // Whatever became of an earlier try, every service is reloaded and proven.
    host.exposure = Exposure::Reloaded;
    host.phase = HostPhase::Ready(Step::Rollback);
}

/// A host that should go back, and must not.
pub(super) fn refuse_rollback(host: &mut HostState, reason: &RefusedRollback, undo: bool) {
    let cause = host.error.take().map_or(reason.to_string(), |cause| format!("{cause}; {reason}"));
    // Where it was only to be undone, it serves on what it was proven with.
    let untouched = undo || host.exposure < Exposure::Reloaded || *reason == RefusedRollback::Already;
    let outcome = if untouched { HostOutcome::Failed } else { HostOutcome::RollbackFailed };
    host.fail(&cause, HostPhase::Done(outcome));
}

/// What a step's end means for its host. `patient`: it is tried again where it does not answer on its way back.
pub(super) fn finish_step(host: &mut HostState, ended: &StepEnded, at: Timestamp, patient: bool) {
    match ended {
        StepEnded::Inspect(Ok(inspected)) => host.inspected(inspected),
        StepEnded::Stage(Ok(baseline)) => host.staged(baseline),
        StepEnded::Inspect(Err(failure)) | StepEnded::Stage(Err(failure)) => match failure {
            StepFailure::InDoubt { reason } => host.doubt(reason),
            failure => host.fail_or_go_back(failure),
        },
        StepEnded::Activate(result) => host.activated(result),
        StepEnded::Verify(Ok(Verified::Proven(Proven { measured, disrupted, .. }))) => {
            host.also_measured(measured);
            host.phase = Ready(Step::Commit);
            if let Some(reason) = disrupted {
                host.disrupted = true;
                host.fail(reason, Ready(Step::Commit));
            }
        }
        StepEnded::Verify(Ok(Verified::Disproven(Disproven { reason, measured, .. }))) => {
            host.also_measured(measured);
            host.fail(reason, Ready(Step::Rollback));
        }
        StepEnded::Verify(Err(failure)) => host.fail_or_go_back(failure),
        StepEnded::Commit(result) => host.committed(result),
        StepEnded::Rollback(Ok(measured)) => {
            host.also_measured(measured);
            host.phase = Done(RolledBack);
        }
        StepEnded::Rollback(Err(failure)) => host.not_rolled_back(failure, at, patient),
    }
}

impl HostState {
    /// What clients noticed on the way there, on the way back, and where a step was tried again.
    fn also_measured(&mut self, measured: &Measured) {
        self.measured = Some(self.measured.take().unwrap_or_default().and(measured.clone()));
    }

    fn inspected(&mut self, inspected: &Inspected) {
        let Inspected { proven, staged, previous, armed, already, baseline, .. } = inspected;
        if !self.is_touched() {
            self.previous.clone_from(previous);
            self.already = *already;
            self.baseline.clone_from(baseline);
        }
        if *armed {
            self.exposure = Exposure::Reloaded;
        }
        self.phase = match (proven, staged) {
            // Installed by this rollout, or by one that died before it was final: prove and commit it.
            (true, _) if self.is_touched() => Ready(Step::Verify),
            (true, _) => Done(Unchanged),
            (false, true) => Ready(Step::Activate),
            (false, false) => Ready(Step::Stage),
        };
    }

    fn staged(&mut self, baseline: &Baseline) {
        if !self.is_touched() {
            self.baseline.clone_from(baseline);
        }
        self.phase = Ready(Step::Activate);
    }

    fn activated(&mut self, result: &Result<Activated, StepFailure>) {
        let exposure = match result {
            Ok(Activated::Refused { .. }) => Exposure::Switched,
            Err(StepFailure::Unreachable { .. }) => Exposure::None,
            Ok(Activated::Reloaded(_)) | Err(StepFailure::Failed { .. } | StepFailure::InDoubt { .. }) => {
                Exposure::Reloaded
            }
        };
        self.exposure = self.exposure.max(exposure);
        // A server that did not take what it had is broken: that needs a person.
        self.already &= !matches!(result, Err(StepFailure::Failed { .. }));
        match result {
            Ok(Activated::Reloaded(_)) => self.phase = Ready(Step::Verify),
            Ok(Activated::Refused { reason }) => self.fail(reason, Ready(Step::Rollback)),
            Err(StepFailure::InDoubt { reason }) => self.doubt(reason),
            Err(failure) => self.fail_or_go_back(failure),
        }
    }

    fn committed(&mut self, result: &Result<Committed, StepFailure>) {
        match result {
            Ok(Committed::Final(_)) => self.phase = Done(Changed),
            // Not confirmed: the dead-man switch undoes it, or has.
            Ok(Committed::Refused { reason })
            | Err(StepFailure::Unreachable { reason } | StepFailure::InDoubt { reason }) => {
                self.doubt(reason)
            }
            // The new certificate is live, proven and final; only old versions were left lying about.
            Err(StepFailure::Failed { reason }) => {
                self.fail(&format!("old versions were not pruned: {reason}"), Done(Changed));
            }
        }
    }

    fn not_rolled_back(&mut self, failure: &StepFailure, at: Timestamp, patient: bool) {
        match failure {
            StepFailure::Unreachable { reason } | StepFailure::InDoubt { reason } => {
                (self.doubts, self.unheard) = (self.doubts.saturating_add(1), true);
                if patient && is_tried_again(self.returns_at, self.doubts, at) {
                    return self.fail(reason, Ready(Step::Rollback));
                }
                self.fail(reason, Done(RollbackFailed));
                let error = self.error.take().into_iter().chain(promise(self.returns_at, at));
                self.error = Some(error.collect::<Vec<_>>().join("; "));
            }
            StepFailure::Failed { reason } => {
                let cause = self.error.take().filter(|cause| cause != reason);
                let reason =
                    cause.map_or(reason.clone(), |cause| format!("{cause}; rollback failed: {reason}"));
                self.fail(&reason, Done(RollbackFailed));
            }
        }
    }

    /// Before anything live was changed a failure is just that.
    fn fail_or_go_back(&mut self, failure: &StepFailure) {
        let phase = match failure {
            StepFailure::Failed { .. } if !self.is_touched() => Done(Failed),
            StepFailure::Unreachable { .. } if !self.is_touched() => Done(Unreachable),
            StepFailure::Failed { .. } | StepFailure::Unreachable { .. } | StepFailure::InDoubt { .. } => {
                Ready(Step::Rollback)
            }
        };
        self.fail(failure.reason(), phase);
    }
}
