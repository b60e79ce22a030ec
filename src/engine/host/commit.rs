//! The fifth step: the new version is final.

use crate::engine::host::HostRun;
use crate::engine::host::session::{Ended, answer, failed};
use crate::install::{Committed, InstallError, InstallSpec};
use crate::plan::SCRIPT;
use crate::ports::{Clock, Connector, Prober};
use crate::rollout::StepResult;

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn commit(&mut self) -> Result<StepResult, Ended> {
        let before = self.known.previous.as_ref().map(|previous| &previous.version);
        let task = InstallSpec::commit(self.rollout.target.set.version(), before);
        let output = self.session.task(&task, SCRIPT).await?;
        match Committed::parse(&answer(&output)) {
            Ok(_) => Ok(StepResult::Done),
            Err(error @ (InstallError::Undone { .. } | InstallError::StillArmed { .. })) => {
                Err(StepResult::Refused { reason: error.to_string() })
            }
            Err(error) => Err(failed(&error)),
        }
    }
}
