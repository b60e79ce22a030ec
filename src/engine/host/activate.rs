//! The third step: the switch, the servers' own tests, and the reload.

use crate::engine::handshake::availability::{AvailabilityProbe, prepare};
use crate::engine::host::HostRun;
use crate::engine::host::own_words::explained;
use crate::engine::host::run::one_line;
use crate::engine::host::session::{answer, failed};
use crate::install::{Activation, AlreadyKnown, DeadMan, InstallError, InstallSpec, ends_at_reboot};
use crate::ports::{Clock, Connector, Prober};
use crate::preview::Risk;
use crate::rollout::{Activated, Reloaded, StepFailure};

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn activate(&mut self) -> Result<Activated, StepFailure> {
        let (plan, rollout, known) = (self.plan, self.rollout, self.known);
        let prepared = self.slot.prepared.take();
        let seen = AlreadyKnown {
            whole: prepared.is_some(),
            linked: self.slot.linked,
            live: self.slot.live.clone(),
        };
        self.session.probes.clear();
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => prepare(rollout.prober.as_ref(), &self.session.connection, plan).await.1,
        };
        self.watch(prepared).await;
        let services = plan.script_services();
        let counted = self.memory().before().await;
        let before = known.previous.as_ref().map(|previous| &previous.version);
        let target = rollout.target.set.version();
        let back = known.previous.as_ref().filter(|previous| !previous.revoked);
        let dead_man = back.zip(plan.dead_man).map(|(previous, after)| {
            let (previous, not_after) = (previous.version.clone(), previous.not_after);
            DeadMan { target: target.clone(), previous, not_after, after }
        });
        let task = InstallSpec::activate(target, before, dead_man.as_ref(), &seen);
        let output = self.session.task(&task, plan.patience()).await?;
        let activation = match Activation::parse(&answer(&output), &services) {
            Ok(activation) => activation,
            Err(error @ InstallError::Unfinished { .. }) => return Err(failed(&error)),
            // Said before the switch: nothing that is live was changed.
            Err(error) => return Ok(Activated::Refused { reason: error.to_string() }),
        };
        let reason = one_line(&activation.problem().unwrap_or_default());
        match activation {
            Activation::Activated => match self.memory().take(&counted).await {
                Ok(ways) => {
                    self.session.probes.iter().for_each(AvailabilityProbe::reload_is_confirmed);
                    let risk = |reason| Risk::SwitchEndsAtReboot { reason }.remark();
                    let ends = ends_at_reboot(&answer(&output)).map(risk);
                    let risks = std::mem::take(&mut self.slot.remarks).into_iter().chain(ends).collect();
                    Ok(Activated::Reloaded(Reloaded { ways, risks }))
                }
                Err(reason) => {
                    Err(StepFailure::Failed { reason: explained(self.session, plan, reason).await })
                }
            },
            // What follows the link served the new certificate for a moment: that it went back is proven.
            Activation::Refused { swapped_back: true, .. }
                if !plan.services.iter().any(|service| service.spec.follows_the_link()) =>
            {
                Ok(Activated::Refused { reason })
            }
            Activation::Refused { .. } => Err(StepFailure::Failed { reason }),
            Activation::ReloadFailed { .. } => {
                Err(StepFailure::Failed { reason: explained(self.session, plan, reason).await })
            }
        }
    }
}
