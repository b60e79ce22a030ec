//! Exit codes: a contract with scripts.

use std::process::ExitCode;

use crate::rollout::RolloutOutcome;

/// How certwave ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Failed before any host was changed; or a comparison found a difference.
    Failed,
    /// `plan --detailed-exitcode`: a rollout would change something.
    Changes,
    /// The rollout failed; every host that it touched is proven back.
    RolledBack,
    /// The rollout failed and at least one host needs a person.
    NeedsAttention,
    /// Paused.
    Paused,
    /// Within its failure budget, but not every host serves the new certificate.
    Incomplete,
    /// Bad usage, or an invalid playbook or inventory (`EX_USAGE` of sysexits.h).
    Usage,
    /// Interrupted (128 + SIGINT).
    Interrupted,
}

impl Exit {
    /// The number that a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::RolledBack => 3,
            Exit::NeedsAttention => 4,
            Exit::Paused => 5,
            Exit::Incomplete => 6,
            Exit::Usage => 64,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl From<RolloutOutcome> for Exit {
    fn from(outcome: RolloutOutcome) -> Exit {
        match outcome {
            RolloutOutcome::Succeeded | RolloutOutcome::Unchanged => Exit::Done,
            RolloutOutcome::Failed => Exit::Failed,
            RolloutOutcome::RolledBack => Exit::RolledBack,
            RolloutOutcome::NeedsAttention => Exit::NeedsAttention,
            RolloutOutcome::Paused => Exit::Paused,
            RolloutOutcome::Incomplete => Exit::Incomplete,
            RolloutOutcome::Interrupted => Exit::Interrupted,
        }
    }
}
