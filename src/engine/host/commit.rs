//! The fifth step: the new version is final.

use crate::engine::host::HostRun;
use crate::engine::host::session::{answer, failed};
use crate::install::{self, InstallError, InstallSpec, OldProcesses};
use crate::plan::SCRIPT;
use crate::ports::{Clock, Connector, Prober};
use crate::preview::{Lasting, Risk};
use crate::rollout::{Committed, StepFailure};

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn commit(&mut self) -> Result<Committed, StepFailure> {
        let before = self.known.previous.as_ref().map(|previous| &previous.version);
        let back = self.rollout.plan.schedule.goes_back();
        let version = self.rollout.target.set.version();
        let task = InstallSpec::commit(version, before, &self.slot.shorter, back);
        let output = self.session.task(&task, SCRIPT).await?;
        match install::Pruned::parse(&answer(&output)) {
            Ok(committed) => {
                let old: Vec<Lasting> =
                    committed.old.iter().filter_map(|old| self.old_workers(old)).collect();
                let lasting = old.into_iter().chain(self.staples_since().await);
                Ok(Committed::Final(lasting.map(|one| Risk::Lasting(one).remark()).collect()))
            }
            Err(error @ (InstallError::Undone { .. } | InstallError::StillArmed { .. })) => {
                Ok(Committed::Refused { reason: error.to_string() })
            }
            Err(error) => Err(failed(&error)),
        }
    }

    fn old_workers(&self, old: &OldProcesses) -> Option<Lasting> {
        let service = self.plan.services.get(old.service)?.name.to_string();
        Some(Lasting::OldWorkers { service, count: old.count })
    }
}
