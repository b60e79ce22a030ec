//! What is known about one host, and what the end of a step means for it.

use crate::rollout::event::{Measured, Previous, RefusedRollback, Step, StepResult};
use crate::rollout::outcome::HostOutcome;

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
    /// How far it has gone, as far as is known.
    pub exposure: Exposure,
    /// What was seen while it was switched.
    pub measured: Option<Measured>,
    /// Why it failed, or what else went wrong, in words.
    pub error: Option<String>,
    pub(super) doubts: u8,
}

impl HostState {
    pub(super) fn new() -> Self {
        Self {
            phase: HostPhase::Pending,
            previous: None,
            exposure: Exposure::None,
            measured: None,
            error: None,
            doubts: 0,
        }
    }

    /// Whether what is live may have been changed.
    pub fn is_touched(&self) -> bool {
        self.exposure > Exposure::None
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

    /// Whether it is done, and counts against its wave's failure budget.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.phase, HostPhase::Done(outcome) if outcome.is_failure())
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
    let untouched = undo || host.exposure < Exposure::Reloaded;
    let outcome = if untouched { HostOutcome::Failed } else { HostOutcome::RollbackFailed };
    host.fail(&cause, HostPhase::Done(outcome));
}

/// What a step's end means for its host.
pub(super) fn finish_step(host: &mut HostState, step: Step, result: &StepResult) {
    use HostOutcome::{Changed, Failed, RollbackFailed, RolledBack, Unchanged, Unreachable};
    use HostPhase::{Done, Ready};

    match (step, result) {
        (Step::Inspect, StepResult::Inspected { proven, staged, previous, armed, .. }) => {
            if !host.is_touched() {
                host.previous.clone_from(previous);
            }
            if *armed {
                host.exposure = Exposure::Reloaded;
            }
            host.phase = match (proven, staged) {
                // Installed by this rollout, or by one that died before it was final: prove and commit it.
                (true, _) if host.is_touched() => Ready(Step::Verify),
                (true, _) => Done(Unchanged),
                (false, true) => Ready(Step::Activate),
                (false, false) => Ready(Step::Stage),
            };
        }
        (Step::Stage, StepResult::Done) => host.phase = Ready(Step::Activate),
        (Step::Activate, StepResult::Activated) => {
            host.exposure = Exposure::Reloaded;
            host.phase = Ready(Step::Verify);
        }
        (Step::Activate, StepResult::Refused { reason }) => {
            host.exposure = host.exposure.max(Exposure::Switched);
            host.fail(reason, Ready(Step::Rollback));
        }
        (Step::Activate, StepResult::Failed { reason }) => {
            host.exposure = Exposure::Reloaded;
            host.fail(reason, Ready(Step::Rollback));
        }
        (Step::Activate, StepResult::InDoubt { reason }) => {
            host.exposure = Exposure::Reloaded;
            host.doubt(reason);
        }
        (Step::Verify, StepResult::Proven(measured)) => {
            host.measured = Some(measured.clone());
            host.phase = Ready(Step::Commit);
        }
        (Step::Verify, StepResult::Disproven { reason, measured, .. }) => {
            host.measured = Some(measured.clone());
            host.fail(reason, Ready(Step::Rollback));
        }
        (Step::Commit, StepResult::Done) => host.phase = Done(Changed),
        // Not confirmed: the dead-man switch undoes it, or has.
        (
            Step::Commit,
            StepResult::Refused { reason }
            | StepResult::Unreachable { reason }
            | StepResult::InDoubt { reason },
        ) => host.doubt(reason),
        // The new certificate is live, proven and final; only old versions were left lying about.
        (Step::Commit, StepResult::Failed { reason }) => {
            host.fail(&format!("old versions were not pruned: {reason}"), Done(Changed))
        }
        (Step::Rollback, StepResult::RolledBack) => host.phase = Done(RolledBack),
        (Step::Rollback, StepResult::Unreachable { reason } | StepResult::InDoubt { reason }) => {
            host.doubts += 1;
            let phase = if host.doubts < 2 * ATTEMPTS { Ready(Step::Rollback) } else { Done(RollbackFailed) };
            host.fail(reason, phase);
        }
        (Step::Rollback, StepResult::Failed { reason }) => {
            let cause = host.error.take().filter(|cause| cause != reason);
            let reason = cause.map_or(reason.clone(), |cause| format!("{cause}; rollback failed: {reason}"));
            host.fail(&reason, Done(RollbackFailed));
        }
        // Before anything live was changed a failure is just that.
        (_, StepResult::Failed { reason }) if !host.is_touched() => host.fail(reason, Done(Failed)),
        (_, StepResult::Unreachable { reason }) if !host.is_touched() => host.fail(reason, Done(Unreachable)),
        (Step::Inspect | Step::Stage, StepResult::InDoubt { reason }) => host.doubt(reason),
        (
            _,
            StepResult::Failed { reason }
            | StepResult::Unreachable { reason }
            | StepResult::InDoubt { reason },
        ) => host.fail(reason, Ready(Step::Rollback)),
        // No step answers so; a host of which nothing is known is not shown as clean.
        (_, _) => host.fail("the step gave an answer that is not its own", Ready(Step::Rollback)),
    }
}
