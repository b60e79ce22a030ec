//! The first step: what the host is like, and whether it may be changed at all.

use crate::engine::host::HostRun;
use crate::engine::host::session::{answer, failed};
use crate::engine::host::staples::stapling;
use crate::install::{Facts, InstallSpec, Ownership};
use crate::ports::{Clock, Connector, Prober};
use crate::preview;
use crate::rollout::{Inspected, StepFailure};

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn inspect(&mut self) -> Result<Inspected, StepFailure> {
        let (plan, rollout) = (self.plan, self.rollout);
        let services = plan.script_services();
        let asked = rollout.clock.now();
        let inspect = InstallSpec::inspect();
        let forward = !rollout.plan.schedule.goes_back();
        let output = self.session.task(&inspect, plan.patience()).await?;
        let facts =
            Facts::parse(&answer(&output), &plan.install, &services).map_err(|error| failed(&error))?;
        self.slot.linked = facts.is_linked();
        self.slot.listeners.clone_from(&facts.listeners);
        self.slot.key_first = facts.key_first;
        self.slot.live = facts.live_version().cloned();
        self.slot.ownership = Ownership::of(&plan.install, &facts.key_files).ok();
        self.slot.shorter = facts.history.shortened().to_vec();
        let mut problems = facts.problems(&plan.install, &services);
        if !forward {
            problems.extend(facts.not_running(&services));
        }
        if !problems.is_empty() {
            let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(StepFailure::Failed { reason: reasons.join("; ") });
        }
        self.memory().ready().await.map_err(|reason| StepFailure::Failed { reason })?;
        let is_live = facts.live_version() == Some(rollout.target.set.version());
        // Where it is to be staged, what is served is seen when it is made ready to be watched.
        let is_staged = facts.complete.contains(rollout.target.set.version());
        let reader = self.reader();
        let shown =
            if is_live || forward && is_staged { reader.handshakes(!is_live).await } else { Vec::new() };
        let host = reader.read(facts, shown, Vec::new(), asked).await?;
        // What is on its way back, or half-way to the new certificate, is not held up by how it is.
        if !forward || self.known.is_touched() {
            return Ok(preview::answer(plan, &host.seen, Vec::new()));
        }
        self.refuse(&host)?;
        self.slot.stapling = stapling(&host.seen);
        let risks = preview::risks_of(plan, &host.seen, &rollout.leaves, rollout.clock.now());
        self.slot.told = preview::told(plan, &risks);
        let answer = preview::answer(plan, &host.seen, self.slot.told.clone());
        self.slot.inspected = Some(host);
        Ok(answer)
    }
}
