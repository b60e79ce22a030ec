//! A plan's hosts, and the steps that are taken on them.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::engine::handshake::soak::{FleetWatch, Watching};
use crate::engine::host::{HostRun, HostSlot, Rollout};
use crate::engine::target::Target;
use crate::gate::Gate;
use crate::install::{Payloads, RemoteShells};
use crate::plan::{HostIndex, PerHost, Plan};
use crate::ports::{Clock, Connector, Effects, Prober};
use crate::rollout::{Baseline, HostState, Step, StepEnded, StepFailure};

/// A plan's hosts, and all that is needed to act on them.
pub struct Fleet<C: Connector, P: Prober, K> {
    pub(super) rollout: Rollout<C, P, K>,
    slots: PerHost<Mutex<HostSlot<C::Connection, P>>>,
}

impl<C: Connector, P: Prober, K: Clock> Fleet<C, P, K> {
    /// `payloads` holds the files that hosts get. A host names `who` to any other rollout that wants its lock.
    pub fn new(
        plan: Arc<Plan>,
        (target, payloads): (Arc<Target>, Payloads),
        connector: C,
        prober: P,
        clock: K,
        who: String,
    ) -> Self {
        let slots = plan.hosts.iter().map(|_| Mutex::default()).collect();
        let leaves = target.set.bundles().map(|bundle| bundle.leaf().into()).collect();
        let (connector, prober, clock) = (Arc::new(connector), Arc::new(prober), Arc::new(clock));
        let scripts = plan.hosts.iter().flat_map(|host| &host.services).map(|service| service.spec.script());
        let shells = RemoteShells::new(&who, scripts);
        let rate = Arc::default();
        let rollout = Rollout { plan, target, leaves, payloads, connector, prober, clock, rate, shells };
        Self { rollout, slots }
    }
}

impl<C: Connector, P: Prober, K: Clock> Effects for Fleet<C, P, K> {
    type Watch = FleetWatch;

    async fn run(&self, host: HostIndex, step: Step, known: HostState) -> StepEnded {
        let plan = &self.rollout.plan.hosts[host];
        let mut slot = self.slots[host].lock().await;
        let ended = HostRun::step(&self.rollout, plan, step, &known, &mut slot).await;
        if ended.failure().is_some_and(StepFailure::is_disconnected) {
            // The next step finds out for itself whether the host is there again.
            *slot = HostSlot::default();
        }
        ended
    }

    fn release(&self, host: HostIndex) {
        // Its steps are over, so nobody else has the slot.
        if let Ok(mut slot) = self.slots[host].try_lock() {
            *slot = HostSlot::default();
        }
    }

    fn watch(&self, gates: &'static [Gate], hosts: Vec<(HostIndex, Baseline)>) -> FleetWatch {
        let Rollout { plan, target, connector, prober, clock, .. } = &self.rollout;
        let watch = |(host, before): (HostIndex, Baseline)| Watching::new(&plan.hosts[host], target, &before);
        let watched = hosts.into_iter().map(watch).collect();
        FleetWatch::start(gates, watched, connector.clone(), prober.clone(), clock.clone())
    }
}
