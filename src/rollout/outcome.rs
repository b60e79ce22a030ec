//! The words for how it ended.

use serde::{Deserialize, Serialize};

use crate::model::WaveName;

/// How a host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostOutcome {
    /// It serves the new certificate, proven.
    Changed,
    /// It served the new certificate before the rollout came.
    Unchanged,
    /// It was switched, or about to be, and is proven back on its previous certificate.
    RolledBack,
    /// It should be back and is not, or nobody could prove it: needs a person.
    RollbackFailed,
    /// A step failed before anything live was changed.
    Failed,
    /// It could not be reached; nothing was changed.
    Unreachable,
    /// The rollout ended before its turn.
    Untouched,
}

impl HostOutcome {
    /// Whether it counts against a wave's failure budget.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            HostOutcome::RolledBack
                | HostOutcome::RollbackFailed
                | HostOutcome::Failed
                | HostOutcome::Unreachable
        )
    }

    /// The word as JSON writes it.
    pub fn name(self) -> &'static str {
        match self {
            HostOutcome::Changed => "changed",
            HostOutcome::Unchanged => "unchanged",
            HostOutcome::RolledBack => "rolled_back",
            HostOutcome::RollbackFailed => "rollback_failed",
            HostOutcome::Failed => "failed",
            HostOutcome::Unreachable => "unreachable",
            HostOutcome::Untouched => "untouched",
        }
    }
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutOutcome {
    /// Every host serves the new certificate.
    Succeeded,
    /// Every host served it already.
    Unchanged,
    /// It failed; every host that it touched is proven back.
    RolledBack,
    /// At least one host needs a person.
    NeedsAttention,
    /// It stopped where it can be taken up; [`Pause`] says why.
    Paused,
    /// Within its failure budget, but not every host serves the new certificate.
    Incomplete,
    /// It failed before any host was changed.
    Failed,
    /// Somebody stopped it; what was in flight was finished or rolled back.
    Interrupted,
}

/// Why a rollout is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Pause {
    /// Somebody asked for it.
    By {
        /// Who.
        by: String,
    },
    /// A wave begins only once somebody approved it.
    Approval {
        /// Which.
        wave: WaveName,
    },
    /// Nothing was measured while a wave soaked.
    Inconclusive,
}

impl RolloutOutcome {
    /// The word as JSON writes it.
    pub fn name(self) -> &'static str {
        match self {
            RolloutOutcome::Succeeded => "succeeded",
            RolloutOutcome::Unchanged => "unchanged",
            RolloutOutcome::RolledBack => "rolled_back",
            RolloutOutcome::NeedsAttention => "needs_attention",
            RolloutOutcome::Paused => "paused",
            RolloutOutcome::Incomplete => "incomplete",
            RolloutOutcome::Failed => "failed",
            RolloutOutcome::Interrupted => "interrupted",
        }
    }
}
