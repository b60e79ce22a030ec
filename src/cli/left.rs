//! How the last rollout left its hosts: what should be served now.

use crate::cli::error::Failure;
use crate::cli::replay::{planned, replay};
use crate::model::CertificateName;
use crate::plan::Plan;
use crate::rollout::HostOutcome;
use crate::store::{Journal, RolloutRecord};

/// A rollout, and which of its hosts it left on its certificate.
pub(super) struct Left {
    /// The rollout.
    pub(super) record: RolloutRecord,
    /// As it was carried out.
    pub(super) plan: Plan,
    /// For each host of the plan, whether it was left on the certificate, proven.
    pub(super) on_it: Vec<bool>,
}

impl Left {
    /// Reads how a rollout went, as far as it has.
    pub(super) fn by(journal: &Journal, record: RolloutRecord) -> Result<Self, Failure> {
        let plan = planned(journal, &record)?;
        let state = replay(journal, &record, &plan)?;
        let done = |outcome| matches!(outcome, HostOutcome::Changed | HostOutcome::Unchanged);
        let on_it = state.hosts().iter().map(|host| done(host.outcome())).collect();
        Ok(Self { record, plan, on_it })
    }
}

/// The last rollout of a certificate that left a host on it. One that was rolled back, or stopped before it changed
/// anything, left hosts on what an earlier one had brought.
pub(super) fn last(journal: &Journal, name: &CertificateName) -> Result<Option<Left>, Failure> {
    for record in journal.rollouts()?.into_iter().filter(|record| record.certificate == *name) {
        let left = Left::by(journal, record)?;
        if left.on_it.contains(&true) {
            return Ok(Some(left));
        }
    }
    Ok(None)
}
