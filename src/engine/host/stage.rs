//! The second step: the new version is uploaded beside what is live.

use crate::engine::handshake::availability::prepare;
use crate::engine::handshake::look::explained;
use crate::engine::host::HostRun;
use crate::engine::host::session::{answer, failed};
use crate::engine::host::staples::stapling;
use crate::install::{InstallSpec, Ownership, Staged};
use crate::plan::SCRIPT;
use crate::ports::{Clock, Connector, Prober};
use crate::preview;
use crate::rollout::{Baseline, StepFailure};

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    /// The host's services are made ready to be watched at the same time; what they serve then may keep the rollout from it.
    pub(super) async fn stage(&mut self) -> Result<Baseline, StepFailure> {
        let (plan, rollout, session) = (self.plan, self.rollout, &*self.session);
        let ownership = self.slot.ownership.clone().unwrap_or_else(|| Ownership::without_any(&plan.install));
        let task = InstallSpec::stage(
            rollout.target.set.version(),
            rollout.payloads.of(self.slot.key_first),
            &ownership,
        );
        let staging = session.task(&task, SCRIPT);
        let judged = self.slot.inspected.is_some();
        let look = async {
            let (shown, ready) = prepare(rollout.prober.as_ref(), &session.connection, plan).await;
            match judged {
                // The requests in flight are some of the connections that a listener counts.
                true => {
                    let world = (rollout.prober.as_ref(), Some(&session.connection));
                    (explained(world, shown, true).await, ready)
                }
                false => (shown, ready),
            }
        };
        let (output, (shown, ready)) = tokio::join!(staging, look);
        Staged::parse(&answer(&output?)).map_err(|error| failed(&error))?;
        let mut baseline = Baseline::default();
        if let Some(mut host) = self.slot.inspected.take() {
            host.add(plan, shown);
            self.refuse(&host)?;
            baseline = preview::baseline(plan, &host.seen);
            self.slot.stapling = stapling(&host.seen);
            // What it serves was not known when it was inspected.
            let risks = preview::risks_of(plan, &host.seen, &rollout.leaves, rollout.clock.now());
            let told = preview::told(plan, &risks).into_iter();
            self.slot.remarks = told.filter(|one| !self.slot.told.contains(one)).collect();
        }
        self.slot.prepared = Some(ready);
        Ok(baseline)
    }
}
