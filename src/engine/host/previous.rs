//! What a host goes back to, if there is anything.

use std::collections::BTreeSet;

use crate::certificate::{Certificate, parse_pem};
use crate::engine::host::session::{Session, answer, failed};
use crate::install::{Facts, shown_leaves};
use crate::model::Version;
use crate::plan::{HostPlan, SCRIPT};
use crate::ports::Connection;
use crate::rollout::{Previous, StepFailure};

/// A host that was looked at, in order to find its way back.
pub(crate) struct WayBack<'a, C: Connection> {
    pub(crate) plan: &'a HostPlan,
    pub(crate) session: &'a Session<C>,
    pub(crate) facts: &'a Facts,
    /// What is rolled out; none where it is not issued yet.
    pub(crate) target: Option<&'a Version>,
    /// The target is taken back: only something older will do.
    pub(crate) undo: bool,
    /// Versions that are never put back.
    pub(crate) revoked: &'a BTreeSet<Version>,
}

impl<C: Connection> WayBack<'_, C> {
    /// What is live, unless that is the target or was never confirmed.
    pub(crate) async fn find(&self) -> Result<Option<Previous>, StepFailure> {
        let facts = self.facts;
        let live = facts.live_version();
        let active = facts.active.iter().filter_map(|pem| read_leaf(pem)).collect();
        match live {
            // What nobody confirmed is nothing to go back to.
            Some(version) if facts.is_unconfirmed() => {
                let armed = facts.armed.as_ref().filter(|armed| armed.target == *version);
                let before = armed.map(|armed| &armed.previous);
                self.archived(before.or_else(|| self.verified_before(version))).await
            }
            // Hosts that only an older release switched wrote nothing down.
            Some(version) if Some(version) == self.target && self.undo && facts.history.is_empty() => {
                self.archived(facts.complete.iter().rev().find(|other| *other < version)).await
            }
            Some(version) if Some(version) == self.target && self.undo => {
                self.archived(self.verified_before(version)).await
            }
            // The target was live and final before this rollout: there is nothing to undo.
            Some(version) if Some(version) == self.target => Ok(None),
            // A damaged version is nothing to go back to.
            Some(version) if !facts.complete.contains(version) => {
                self.archived(self.verified_before(version)).await
            }
            live => Ok(self.previous(live, active)),
        }
    }

    /// The newest version that was verified here before another one, and is still there.
    fn verified_before<'v>(&'v self, version: &'v Version) -> Option<&'v Version> {
        self.facts.history.before(version).find(|one| self.facts.complete.contains(one))
    }

    /// A version that lies in the archive.
    async fn archived(&self, version: Option<&Version>) -> Result<Option<Previous>, StepFailure> {
        let Some(version) = version.filter(|version| self.facts.complete.contains(version)) else {
            return Ok(None);
        };
        let script = self.plan.install.show_certificates(version);
        let output = self.session.run(self.plan, &script, None, SCRIPT).await?;
        let leaves = shown_leaves(&answer(&output)).map_err(|error| failed(&error))?;
        Ok(self.previous(Some(version), leaves.iter().filter_map(|pem| read_leaf(pem)).collect()))
    }

    /// What certwave did not issue is named by when its validity began; of two certificates, the one that expires
    /// first sets the time.
    fn previous(&self, version: Option<&Version>, leaves: Vec<Certificate>) -> Option<Previous> {
        let first = leaves.first()?;
        let version =
            version.cloned().unwrap_or_else(|| Version::found(first.not_before, &first.fingerprint));
        let not_after = leaves.iter().map(|leaf| leaf.not_after).min()?;
        let revoked = self.revoked.iter().any(|revoked| revoked.has_leaf_of(&version));
        let leaves = leaves.iter().map(|leaf| leaf.fingerprint).collect();
        Some(Previous { version, leaves, not_after, revoked })
    }
}

pub(crate) fn read_leaf(pem: &str) -> Option<Certificate> {
    parse_pem(pem.as_bytes()).ok()?.into_iter().next()
}
