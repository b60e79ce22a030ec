//! One step on one host, and all that it works with.

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::certificate::Leaf;
use crate::engine::handshake::availability::{AvailabilityProbe, Prepared};
use crate::engine::handshake::prove::{Aim, KnownBefore, Proof, prove_all};
use crate::engine::handshake::rate::ProbeRate;
use crate::engine::host::reader::{HostFacts, HostReader};
use crate::engine::host::session::Session;
use crate::engine::memory::Memory;
use crate::engine::target::Target;
use crate::install::{InstallSpec, Listener, Ownership, Payloads, RemoteShells};
use crate::model::{ServiceName, Version};
use crate::plan::{HostPlan, Plan};
use crate::ports::{Clock, Connection, Connector, Prober};
use crate::preview;
use crate::rollout::{Baseline, HostState, Remark, Step, StepEnded, StepFailure};
use crate::verify::{Endpoint, EndpointState, Judgement};

/// What is the same for all hosts of a rollout.
pub(crate) struct Rollout<C, P, K> {
    pub(crate) plan: Arc<Plan>,
    pub(crate) target: Arc<Target>,
    /// The leaves that are rolled out.
    pub(crate) leaves: Vec<Leaf>,
    /// What hosts are sent when they are staged.
    pub(crate) payloads: Payloads,
    pub(crate) connector: Arc<C>,
    pub(crate) prober: Arc<P>,
    pub(crate) clock: Arc<K>,
    pub(crate) rate: Arc<ProbeRate>,
    pub(crate) shells: RemoteShells,
}

/// What is kept of a host from one step to the next.
pub(crate) struct HostSlot<C: Connection, P: Prober> {
    session: Option<Session<C>>,
    kept: Kept<P>,
}

/// What a step leaves for a later one.
pub(super) struct Kept<P: Prober> {
    /// Made ready while it was staged, to watch it while it is switched; none where it was not staged just now.
    pub(super) prepared: Option<Vec<Prepared<P>>>,
    /// Whether every link led into what is live when it was inspected.
    pub(super) linked: bool,
    /// The sockets that its services listen at; none where this process did not ask.
    pub(super) listeners: Vec<Listener>,
    /// Whether the private key comes first in its `combined.pem`.
    pub(super) key_first: bool,
    /// Whose its files are to be.
    pub(super) ownership: Option<Ownership>,
    /// What was live then.
    pub(super) live: Option<Version>,
    /// What its history is to begin with, where that became too long.
    pub(super) shorter: Vec<Version>,
    /// What a careful person was told when it was inspected.
    pub(super) told: Vec<Remark>,
    /// And what turned out when it was staged.
    pub(super) remarks: Vec<Remark>,
    /// Its endpoints that stapled an OCSP answer before the switch.
    pub(super) stapling: Vec<(ServiceName, Endpoint)>,
    /// What it was found to be, where it is going to be switched.
    pub(super) inspected: Option<HostFacts>,
}

impl<C: Connection, P: Prober> Default for HostSlot<C, P> {
    fn default() -> Self {
        Self {
            session: None,
            kept: Kept {
                prepared: None,
                linked: false,
                listeners: Vec::new(),
                key_first: false,
                ownership: None,
                live: None,
                shorter: Vec::new(),
                told: Vec::new(),
                remarks: Vec::new(),
                stapling: Vec::new(),
                inspected: None,
            },
        }
    }
}

/// One step on one host.
pub(crate) struct HostRun<'a, C: Connector, P: Prober, K> {
    pub(super) rollout: &'a Rollout<C, P, K>,
    pub(super) plan: &'a HostPlan,
    pub(super) session: &'a mut Session<C::Connection>,
    /// What the journal knows of it.
    pub(super) known: &'a HostState,
    pub(super) slot: &'a mut Kept<P>,
}

impl<'a, C: Connector, P: Prober, K: Clock> HostRun<'a, C, P, K> {
    /// Does a step, over a connection that holds the host's lock.
    pub(crate) async fn step(
        rollout: &'a Rollout<C, P, K>,
        plan: &'a HostPlan,
        step: Step,
        known: &'a HostState,
        HostSlot { session, kept }: &'a mut HostSlot<C::Connection, P>,
    ) -> StepEnded {
        let session = match session {
            Some(session) => session,
            None => {
                let first = (step == Step::Inspect).then(InstallSpec::inspect);
                let opened = Session::open(rollout.connector.as_ref(), plan, &rollout.shells, first.as_ref());
                match opened.await {
                    Ok(opened) => session.insert(opened),
                    Err(failure) => return StepEnded::without_result(step, failure),
                }
            }
        };
        let mut run = Self { rollout, plan, session, known, slot: kept };
        // On the heap, each when it begins: a host that waits for its connection takes no room for all of them.
        match step {
            Step::Inspect => StepEnded::Inspect(Box::pin(run.inspect()).await),
            Step::Stage => StepEnded::Stage(Box::pin(run.stage()).await),
            Step::Activate => StepEnded::Activate(Box::pin(run.activate()).await),
            Step::Verify => StepEnded::Verify(Ok(Box::pin(run.verify()).await)),
            Step::Commit => StepEnded::Commit(Box::pin(run.commit()).await),
            Step::Rollback => StepEnded::Rollback(Box::pin(run.roll_back()).await),
        }
    }

    pub(super) fn reader(&self) -> HostReader<'_, C::Connection, P, K> {
        let rollout = self.rollout;
        HostReader {
            plan: self.plan,
            session: self.session,
            prober: rollout.prober.as_ref(),
            clock: rollout.clock.as_ref(),
            target: Some(&rollout.target),
            stored: &rollout.target.stored,
            undo: rollout.plan.schedule.undo().is_some(),
        }
    }

    pub(super) fn memory(&self) -> Memory<'_, C::Connection, K> {
        let Rollout { target, clock, .. } = self.rollout;
        Memory { plan: self.plan, session: self.session, set: &target.set, clock: clock.as_ref() }
    }

    /// Starts to watch what was made ready for it.
    pub(super) async fn watch(&mut self, mut prepared: Vec<Prepared<P>>) {
        let Rollout { prober, clock, rate, leaves, .. } = self.rollout;
        let connection = self.session.connection.clone();
        let kept = prepared.iter_mut().map(|one| one.keep_idle(prober.as_ref(), &connection));
        join_all(kept).await;
        let start = |one| AvailabilityProbe::start(prober, &connection, clock, rate, leaves, one);
        self.session.probes.extend(prepared.into_iter().map(start));
    }

    /// Ends a step before the switch, where the host must not be switched as it is.
    pub(super) fn refuse(&self, host: &HostFacts) -> Result<(), StepFailure> {
        preview::not_refused(self.plan, &host.seen)
    }

    /// Every endpoint, at the same time; the first that is not as wanted.
    pub(super) async fn prove_all(&mut self, wanted: Aim) -> Result<(), Disproof> {
        let rollout = self.rollout;
        let world = (rollout.prober.as_ref(), Some(&self.session.connection), rollout.clock.as_ref());
        let previous = self.known.previous.as_ref();
        let expected = |endpoint: &Endpoint| rollout.target.expected(endpoint, previous);
        let others = |endpoint: &Endpoint| {
            let probe = self.session.probes.iter().find(|probe| probe.endpoint == *endpoint);
            probe.map(|probe| (probe.contrary.clone(), probe.agreed.clone())).unwrap_or_default()
        };
        let (listeners, baseline) = (self.slot.listeners.as_slice(), &self.known.baseline);
        let before = KnownBefore { listeners, baseline, was_switched: true };
        let proofs = prove_all(world, self.plan, before, expected, others, (wanted, self.plan.timeout)).await;
        let disproof = |proof: Proof| {
            let place = proof.place();
            let Proof { service, endpoint, result, .. } = proof;
            result.map_err(|judgement| Disproof { service, endpoint, place, judgement, foreign: Vec::new() })
        };
        let mut all: Vec<Result<(), Disproof>> = proofs.into_iter().map(disproof).collect();
        // What answered nobody before the switch need not answer after the way back.
        all.retain(|proof| {
            !matches!(proof, Err(one) if wanted == Aim::Previous && is_as_before(&self.known.baseline, one))
        });
        // Something that stands between matters more than a server that is merely late.
        let is_foreign = |one: &&Disproof| one.judgement.state == EndpointState::Unknown;
        let mut foreign: Vec<ServiceName> = Vec::new();
        for Disproof { service, .. } in all.iter().filter_map(|proof| proof.as_ref().err()).filter(is_foreign)
        {
            if !foreign.contains(service) {
                foreign.push(service.clone());
            }
        }
        all.sort_by_key(|proof| !proof.as_ref().err().is_some_and(|one| is_foreign(&one)));
        let proven: Result<(), Disproof> = all.into_iter().collect();
        proven.map_err(|first| Disproof { foreign, ..first })
    }
}

/// Whether an endpoint has no handshake to offer, and had none before the switch. One that shows somebody else's certificate
/// proves nothing, whatever it showed before: another host may have answered.
fn is_as_before(before: &Baseline, Disproof { service, endpoint, judgement, .. }: &Disproof) -> bool {
    judgement.leaf.is_none() && before.was_silent(service, endpoint)
}

/// An endpoint that is not as wanted.
pub(super) struct Disproof {
    service: ServiceName,
    pub(super) endpoint: Endpoint,
    /// The same for people.
    pub(super) place: String,
    pub(super) judgement: Judgement,
    /// The services that show a certificate which certwave never issued, this one or another.
    pub(super) foreign: Vec<ServiceName>,
}

impl fmt::Display for Disproof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.judgement.words())
    }
}

/// A server's words, which may be many lines, for messages that are one.
pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;
    use crate::engine::testing::{World, certificates};
    use crate::rollout::Silent;

    #[test]
    fn an_endpoint_is_as_before_where_it_was_silent_and_is_silent() {
        use EndpointState::{New, Unknown, Unreachable};
        let (all, world) = (certificates(), World::nginx());
        let service = &world.host().services[0];
        let silent = Silent { service: service.name.clone(), endpoint: service.endpoints[0].clone() };
        let disproof = |state, leaf: Option<&Certificate>| Disproof {
            service: silent.service.clone(),
            endpoint: silent.endpoint.clone(),
            place: String::new(),
            judgement: Judgement { state, findings: Vec::new(), leaf: leaf.cloned(), reason: None },
            foreign: Vec::new(),
        };
        let is_as_before = |before: &Silent, after: &Disproof| {
            super::is_as_before(&Baseline { silent: vec![before.clone()], ..Baseline::default() }, after)
        };
        for (after, expected) in [
            (disproof(Unreachable, None), true),
            (disproof(Unknown, Some(&all.foreign)), false),
            (disproof(Unknown, Some(all.old.leaf())), false),
            (disproof(New, Some(all.new.leaf())), false),
        ] {
            assert_eq!(is_as_before(&silent, &after), expected, "{after}");
        }
        let unreachable = disproof(Unreachable, None);
        assert!(!super::is_as_before(&Baseline::default(), &unreachable), "it answered, or nobody looked");
        let port = Silent { endpoint: Endpoint { port: 1, ..silent.endpoint.clone() }, ..silent.clone() };
        let service = Silent { service: "haproxy".parse().unwrap(), ..silent.clone() };
        assert!(!is_as_before(&port, &unreachable) && !is_as_before(&service, &unreachable));
    }
}
