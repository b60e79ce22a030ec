//! A listener that takes no handshake of the controller's any more after the switch, though it served the new certificate:
//! it may limit how often one address connects. That is no broken server.

use std::time::Duration;

use crate::engine::handshake::prove::{Aim, MANY, observe};
use crate::engine::host::HostRun;
use crate::engine::host::run::Disproof;
use crate::plan::HostPlan;
use crate::ports::{Clock, Connector, Prober};
use crate::verify::{Endpoint, EndpointState, HandshakeRate, Via, judge};

/// Longer than the time over which servers usually count connections.
const QUIET: Duration = Duration::from_secs(11);
/// So many handshakes with the new certificate since the reload show that the server works. One that is broken has a few, of
/// workers that still end.
const SERVED: usize = 10;
/// So often the host itself is served, one after the other, where the server works.
const INSIDE: usize = 3;
/// Few enough for most limits.
const SLOWLY: HandshakeRate = HandshakeRate::A_SECOND;

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    /// Whether it is the controller that a listener refuses: it has served the new certificate since the reload, or serves what
    /// is wanted to the host itself, which has another address.
    pub(super) async fn is_limited(&mut self, disproof: &Disproof, wanted: Aim) -> bool {
        let Disproof { endpoint, judgement, .. } = disproof;
        if judgement.leaf.is_some() || endpoint.rate().is_some() || endpoint.via == Via::Ssh {
            return false;
        }
        if wanted == Aim::New && !self.has_time() {
            return false;
        }
        if wanted == Aim::New && self.has_served(endpoint) {
            return true;
        }
        let inside = Endpoint { via: Via::Ssh, ..endpoint.clone() };
        for _ in 0..INSIDE {
            if !self.serves(&inside, wanted).await {
                return false;
            }
        }
        // A server that was merely late answers the controller, too, by now.
        !self.serves(endpoint, wanted).await
    }

    /// Whether an endpoint shows what is wanted now.
    async fn serves(&mut self, endpoint: &Endpoint, wanted: Aim) -> bool {
        let rollout = self.rollout;
        let observed = observe(rollout.prober.as_ref(), Some(&self.session.connection), endpoint).await;
        let expected = rollout.target.expected(endpoint, self.known.previous.as_ref());
        let judged = judge(&expected, &observed, rollout.clock.now());
        match wanted {
            Aim::New => judged.is_good(),
            Aim::Previous => judged.state == EndpointState::Previous,
        }
    }

    /// Whether a slow proof is over before the dead-man switch goes back.
    fn has_time(&self) -> bool {
        let takes = QUIET + Duration::from_secs(answers(self.plan));
        self.plan.dead_man.is_none_or(|after| after > self.plan.timeout + takes)
    }

    /// Whether a listener has served the new certificate since the reload.
    fn has_served(&self, endpoint: &Endpoint) -> bool {
        let same = |other: &Endpoint| other.address == endpoint.address && other.port == endpoint.port;
        self.session.probes.iter().any(|probe| same(&probe.endpoint) && probe.agreed.count() >= SERVED)
    }

    /// The proof once more, when the listener has had its quiet, and at a rate that it may well take.
    pub(super) async fn prove_slowly(&mut self, wanted: Aim) -> Result<(), Disproof> {
        let plan = slowly(self.plan);
        self.rollout.clock.sleep(QUIET).await;
        let Self { rollout, session, known, slot, .. } = self;
        HostRun { rollout, plan: &plan, session, known, slot }.prove_all(wanted).await
    }
}

fn slowly(plan: &HostPlan) -> HostPlan {
    let mut plan = plan.clone();
    for endpoint in plan.services.iter_mut().flat_map(|service| &mut service.endpoints) {
        if endpoint.rate().is_none() {
            *endpoint = endpoint.with_client(|client| client.rate = Some(SLOWLY));
        }
    }
    plan
}

/// So many answers its slow proof may need.
fn answers(plan: &HostPlan) -> u64 {
    let names = plan.services.iter().map(|service| service.endpoints.len() * (1 + service.other_names.len()));
    u64::from(plan.answers.max(MANY)) * names.sum::<usize>() as u64
}
