//! The way back: the previous version is live, reloaded and proven.

use crate::engine::handshake::prove::Aim;
use crate::engine::host::HostRun;
use crate::engine::host::run::one_line;
use crate::engine::host::session::{answer, failed};
use crate::install::{InstallSpec, Rollback};
use crate::ports::{Clock, Connector, Prober};
use crate::rollout::{Exposure, StepFailure};

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn roll_back(&mut self) -> Result<(), StepFailure> {
        let known = self.known;
        let reloaded = known.exposure == Exposure::Reloaded;
        self.session.end_probes().await;
        let Some(previous) = &known.previous else {
            return Err(StepFailure::Failed { reason: "there is no previous certificate".to_owned() });
        };
        let services = self.plan.script_services();
        let task = InstallSpec::rollback(&previous.version, reloaded);
        let output = self.session.task(&task, self.plan.patience()).await?;
        let rollback = Rollback::parse(&answer(&output), &services).map_err(|error| failed(&error))?;
        if let Some(reason) = rollback.problem() {
            return Err(StepFailure::Failed { reason: one_line(&reason) });
        }
        if reloaded {
            let back = self.memory().put_back(previous).await;
            back.map_err(|reason| StepFailure::Failed { reason })?;
        }
        match self.prove_all(Aim::Previous).await {
            Ok(()) => Ok(()),
            Err(disproof) => Err(StepFailure::Failed { reason: disproof.to_string() }),
        }
    }
}
