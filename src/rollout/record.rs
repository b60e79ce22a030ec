//! A rollout as a whole.

use jiff::Timestamp;

use crate::model::{CertificateName, OperationId, Version};
use crate::rollout::{Origin, RolloutKind, RolloutOutcome};

/// What the journal knows of a rollout, but for its plan, which may take megabytes, and its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRecord {
    /// Its name.
    pub id: OperationId,
    /// What it rolls out.
    pub certificate: CertificateName,
    /// Which version of it.
    pub version: Version,
    /// The playbook's path as the user typed it.
    pub playbook: String,
    /// When it started.
    pub started: Timestamp,
    /// How it ended, if it did.
    pub outcome: Option<RolloutOutcome>,
    /// How it came about; none where an earlier version began it.
    pub origin: Option<Origin>,
}

impl RolloutRecord {
    /// Whether it puts hosts back. None that an earlier version began says so.
    pub fn is_rollback(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.kind == RolloutKind::Rollback)
    }

    /// Whether something of it is left to be done. One without an outcome: its controller died, or runs it now.
    pub fn is_unfinished(&self) -> bool {
        match self.outcome {
            None => true,
            Some(outcome) => matches!(
                outcome,
                RolloutOutcome::Incomplete
                    | RolloutOutcome::Interrupted
                    | RolloutOutcome::Paused
                    | RolloutOutcome::NeedsAttention
            ),
        }
    }
}
