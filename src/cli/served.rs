//! Which host was left with which version, by the journal's account. What hosts serve now, only `status` can tell.

use std::collections::BTreeMap;

use crate::cli::error::Failure;
use crate::cli::replay::{planned, replay};
use crate::model::{CertificateName, HostName, Version};
use crate::rollout::HostOutcome;
use crate::store::Journal;

/// The version of a certificate that each host was proven on last, or may have been left on.
pub(super) fn by_journal(
    journal: &Journal,
    name: &CertificateName,
) -> Result<BTreeMap<HostName, Version>, Failure> {
    let mut served = BTreeMap::new();
    // Newest first: what an earlier rollout did to a host no longer counts.
    for record in journal.rollouts()?.into_iter().filter(|record| record.certificate == *name) {
        let plan = planned(journal, &record)?;
        if plan.schedule.hosts.iter().all(|host| served.contains_key(host)) {
            continue;
        }
        let state = replay(journal, &record, &plan)?;
        for (host, known) in plan.schedule.hosts.iter().zip(state.hosts()) {
            let version = match known.outcome() {
                HostOutcome::Changed | HostOutcome::Unchanged | HostOutcome::RollbackFailed => {
                    record.version.clone()
                }
                HostOutcome::RolledBack => match &known.previous {
                    Some(previous) => previous.version.clone(),
                    None => continue,
                },
                HostOutcome::Failed | HostOutcome::Unreachable | HostOutcome::Untouched => continue,
            };
            served.entry(host.clone()).or_insert(version);
        }
    }
    Ok(served)
}
