//! What each step does to a host.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::driver::Effects;
use super::ports::{Clock, Connector, Prober};
use super::probe::{Wanted, observe, prove};
use super::session::{Ended, Session, answer, failed};
use super::soak::FleetWatch;
use super::witness::{Witness, together};
use crate::certificate::{Bundle, Certificate, parse_pem};
use crate::install::{
    Activation, Committed, Facts, FileName, InstallError, Rollback, Service, Staged, stage_payload,
};
use crate::model::{Fingerprint, Secret, Version};
use crate::plan::{HostPlan, Plan, PlannedService};
use crate::rollout::{HostState, Measured, Previous, Step, StepResult};
use crate::verify::{EndpointState, Expectation, Judgement, judge};

/// For scripts that only look or copy.
const SCRIPT: Duration = Duration::from_secs(60);
/// Room that a version needs, with some to spare.
const NEEDED_KIB: u64 = 64;

/// What is being rolled out.
#[derive(Debug, Clone)]
pub struct Target {
    /// The certificate, proven.
    pub bundle: Bundle,
    /// The leaves of all others in the store.
    pub known: BTreeSet<Fingerprint>,
}

/// A plan's hosts, and all that is needed to act on them.
pub struct Fleet<C: Connector, P, K> {
    pub(super) plan: Arc<Plan>,
    pub(super) target: Arc<Target>,
    pub(super) connector: Arc<C>,
    pub(super) prober: Arc<P>,
    pub(super) clock: Arc<K>,
    who: String,
    sessions: Vec<Mutex<Option<Session<C::Connection>>>>,
}

impl<C: Connector, P: Prober, K: Clock> Fleet<C, P, K> {
    /// `who` is told to anybody else who wants the lock of a host.
    pub fn new(plan: Arc<Plan>, target: Arc<Target>, connector: C, prober: P, clock: K, who: String) -> Self {
        let sessions = plan.hosts.iter().map(|_| Mutex::new(None)).collect();
        let (connector, prober, clock) = (Arc::new(connector), Arc::new(prober), Arc::new(clock));
        Self { plan, target, connector, prober, clock, who, sessions }
    }

    /// Makes sure of a connection that holds the host's lock.
    async fn session<'s>(
        &self,
        plan: &HostPlan,
        slot: &'s mut Option<Session<C::Connection>>,
    ) -> Result<&'s mut Session<C::Connection>, Ended> {
        match slot {
            Some(session) => Ok(session),
            None => Ok(slot.insert(Session::open(self.connector.as_ref(), plan, &self.who).await?)),
        }
    }

    async fn act(
        &self,
        plan: &HostPlan,
        step: Step,
        known: &HostState,
        slot: &mut Option<Session<C::Connection>>,
    ) -> Result<StepResult, Ended> {
        let session = self.session(plan, slot).await?;
        match step {
            Step::Inspect => self.inspect(plan, session, known).await,
            Step::Stage => self.stage(plan, session).await,
            Step::Activate => self.activate(plan, session, known).await,
            Step::Verify => self.verify(plan, session, known).await,
            Step::Commit => self.commit(plan, session, known).await,
            Step::Rollback => self.roll_back(plan, session, known).await,
        }
    }

    async fn inspect(
        &self,
        plan: &HostPlan,
        session: &Session<C::Connection>,
        known: &HostState,
    ) -> Result<StepResult, Ended> {
        let services = services(plan);
        let output = session.run(plan, &plan.install.inspect(&services), None, SCRIPT).await?;
        let facts =
            Facts::parse(&answer(&output), &plan.install, &services).map_err(|error| failed(&error))?;
        let problems = facts.problems(&plan.install, &services, NEEDED_KIB);
        if !problems.is_empty() {
            let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(StepResult::Failed { reason: reasons.join("; ") });
        }
        let target = self.target.bundle.version();
        let live = facts.live_version();
        let previous = match live {
            Some(version) if version == target => self.version_before(plan, session, &facts).await?,
            // A damaged version is nothing to go back to.
            Some(version) => facts
                .active
                .as_deref()
                .and_then(read_leaf)
                .filter(|_| facts.complete.contains(version))
                .map(|leaf| previous(version.clone(), &leaf)),
            None => facts.active.as_deref().and_then(read_leaf).map(|leaf| {
                // What certwave did not issue is named by when its validity began.
                previous(Version::new(leaf.not_before, &leaf.fingerprint), &leaf)
            }),
        };
        let proven = live == Some(target) && self.all_new(plan, session, known).await;
        Ok(StepResult::Inspected { proven, staged: facts.complete.contains(target), previous })
    }

    /// The target is live, from an earlier try: what it could go back to is the newest other version.
    async fn version_before(
        &self,
        plan: &HostPlan,
        session: &Session<C::Connection>,
        facts: &Facts,
    ) -> Result<Option<Previous>, Ended> {
        let target = self.target.bundle.version();
        let Some(version) = facts.complete.iter().rev().find(|version| *version != target) else {
            return Ok(None);
        };
        let script = plan.install.show_certificate(version);
        let output = session.run(plan, &script, None, SCRIPT).await?;
        let leaf = read_leaf(&String::from_utf8_lossy(&output.stdout));
        Ok(leaf.map(|leaf| previous(version.clone(), &leaf)))
    }

    async fn all_new(&self, plan: &HostPlan, session: &Session<C::Connection>, known: &HostState) -> bool {
        for service in &plan.services {
            let observed = observe(self.prober.as_ref(), Some(&session.connection), &service.endpoint).await;
            if !judge(&self.expected(service, known.previous.as_ref()), &observed, self.clock.now()).is_good()
            {
                return false;
            }
        }
        !plan.services.is_empty()
    }

    async fn stage(&self, plan: &HostPlan, session: &Session<C::Connection>) -> Result<StepResult, Ended> {
        let bundle = &self.target.bundle;
        let script = plan.install.stage(bundle.version());
        let output = session.run(plan, &script, Some(stage_payload(&files(bundle))), SCRIPT).await?;
        Staged::parse(&answer(&output)).map_err(|error| failed(&error))?;
        Ok(StepResult::Done)
    }

    async fn activate(
        &self,
        plan: &HostPlan,
        session: &mut Session<C::Connection>,
        known: &HostState,
    ) -> Result<StepResult, Ended> {
        session.witnesses.clear();
        for service in &plan.services {
            let watched =
                Witness::start(&self.prober, &session.connection, &self.clock, &service.endpoint).await;
            session.witnesses.extend(watched);
        }
        let services = services(plan);
        let before = known.previous.as_ref().map(|previous| &previous.version);
        let script = plan.install.activate(self.target.bundle.version(), before, &services);
        let output = session.run(plan, &script, None, patience(plan)).await?;
        let activation = match Activation::parse(&answer(&output), &services) {
            Ok(activation) => activation,
            Err(error @ InstallError::Unfinished { .. }) => return Err(failed(&error)),
            // Said before the switch: nothing that is live was changed.
            Err(error) => return Err(StepResult::Refused { reason: error.to_string() }),
        };
        let reason = one_line(&activation.problem().unwrap_or_default());
        Ok(match activation {
            Activation::Activated => StepResult::Activated,
            Activation::Refused { swapped_back: true, .. } => StepResult::Refused { reason },
            Activation::Refused { .. } | Activation::ReloadFailed { .. } => StepResult::Failed { reason },
        })
    }

    async fn verify(
        &self,
        plan: &HostPlan,
        session: &mut Session<C::Connection>,
        known: &HostState,
    ) -> Result<StepResult, Ended> {
        let proofs = self.prove_all(plan, session, known, Wanted::New).await;
        let measured = end_witnesses(session).await;
        Ok(match proofs {
            Ok(()) => StepResult::Proven(measured),
            Err((service, judgement)) => StepResult::Disproven {
                state: judgement.state,
                reason: format!("{} at {}: {}", service.name, service.endpoint, judgement.words()),
                measured,
            },
        })
    }

    async fn commit(
        &self,
        plan: &HostPlan,
        session: &Session<C::Connection>,
        known: &HostState,
    ) -> Result<StepResult, Ended> {
        let before = known.previous.as_ref().map(|previous| &previous.version);
        let output = session.run(plan, &plan.install.commit(before), None, SCRIPT).await?;
        Committed::parse(&answer(&output)).map_err(|error| failed(&error))?;
        Ok(StepResult::Done)
    }

    async fn roll_back(
        &self,
        plan: &HostPlan,
        session: &mut Session<C::Connection>,
        known: &HostState,
    ) -> Result<StepResult, Ended> {
        end_witnesses(session).await;
        let Some(previous) = &known.previous else {
            return Err(StepResult::Failed { reason: "there is no previous certificate".to_owned() });
        };
        let services = services(plan);
        let script = plan.install.rollback(&previous.version, &services, known.reloaded);
        let output = session.run(plan, &script, None, patience(plan)).await?;
        let rollback = Rollback::parse(&answer(&output), &services).map_err(|error| failed(&error))?;
        if let Some(reason) = rollback.problem() {
            return Err(StepResult::Failed { reason: one_line(&reason) });
        }
        match self.prove_all(plan, session, known, Wanted::Previous).await {
            Ok(()) => Ok(StepResult::RolledBack),
            Err((service, judgement)) => Err(StepResult::Failed {
                reason: format!("{} at {}: {}", service.name, service.endpoint, judgement.words()),
            }),
        }
    }

    /// Every endpoint, at the same time; the first that is not as wanted.
    async fn prove_all<'p>(
        &self,
        plan: &'p HostPlan,
        session: &Session<C::Connection>,
        known: &HostState,
        wanted: Wanted,
    ) -> Result<(), (&'p PlannedService, Judgement)> {
        let until = later(self.clock.now(), plan.timeout);
        let proofs = plan.services.iter().map(|service| {
            let expected = self.expected(service, known.previous.as_ref());
            async move {
                let world = (self.prober.as_ref(), Some(&session.connection), self.clock.as_ref());
                let proof = prove(world, &service.endpoint, &expected, wanted, until).await;
                proof.map_err(|judgement| (service, judgement))
            }
        });
        let mut all: Vec<_> = futures_util::future::join_all(proofs).await;
        // Something that stands between matters more than a server that is merely late.
        all.sort_by_key(|proof| !matches!(proof, Err((_, judged)) if judged.state == EndpointState::Unknown));
        all.into_iter().collect()
    }

    pub(super) fn expected(&self, service: &PlannedService, previous: Option<&Previous>) -> Expectation {
        Expectation {
            chain: self.target.bundle.fingerprints(),
            server_name: service.endpoint.server_name.clone(),
            previous: previous.map(|previous| previous.fingerprint),
            known: self.target.known.clone(),
        }
    }
}

impl<C: Connector, P: Prober, K: Clock> Effects for Fleet<C, P, K> {
    type Watch = FleetWatch;

    async fn run(&self, host: usize, step: Step, known: HostState) -> StepResult {
        let plan = &self.plan.hosts[host];
        let mut slot = self.sessions[host].lock().await;
        let result = self.act(plan, step, &known, &mut slot).await.unwrap_or_else(|ended| ended);
        if matches!(result, StepResult::Unreachable { .. } | StepResult::InDoubt { .. }) {
            // The next step finds out for itself whether the host is there again.
            *slot = None;
        }
        result
    }

    fn release(&self, host: usize) {
        // Its steps are over, so nobody else has the slot.
        if let Ok(mut slot) = self.sessions[host].try_lock() {
            *slot = None;
        }
    }

    fn watch(&self, hosts: Vec<usize>) -> FleetWatch {
        FleetWatch::start(self, hosts)
    }
}

async fn end_witnesses<C: super::ports::Connection>(session: &mut Session<C>) -> Measured {
    let mut all = Vec::new();
    for witness in session.witnesses.drain(..) {
        all.push(witness.finish().await);
    }
    together(all)
}

fn services(plan: &HostPlan) -> Vec<Service> {
    let patience = u32::try_from(plan.timeout.as_secs()).unwrap_or(u32::MAX).max(1);
    let service = |service: &PlannedService| Service {
        name: service.name.clone(),
        settings: service.spec.settings(patience),
        script: service.spec.script(),
    };
    plan.services.iter().map(service).collect()
}

/// Each service may use its whole time for its test and again for its reload.
fn patience(plan: &HostPlan) -> Duration {
    SCRIPT + plan.timeout * 3 * u32::try_from(plan.services.len()).unwrap_or(1)
}

fn files(bundle: &Bundle) -> Vec<(FileName, Secret)> {
    let mut combined = Vec::with_capacity(bundle.fullchain_pem().len() + bundle.key().expose().len());
    combined.extend_from_slice(&bundle.fullchain_pem());
    combined.extend_from_slice(bundle.key().expose());
    vec![
        (FileName::Cert, Secret::new(bundle.cert_pem())),
        (FileName::Chain, Secret::new(bundle.chain_pem())),
        (FileName::Fullchain, Secret::new(bundle.fullchain_pem())),
        (FileName::Privkey, bundle.key().clone()),
        (FileName::Combined, Secret::new(combined)),
    ]
}

/// A server's words, which may be many lines, for messages that are one.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

fn read_leaf(pem: &str) -> Option<Certificate> {
    parse_pem(pem.as_bytes()).ok()?.into_iter().next()
}

fn previous(version: Version, leaf: &Certificate) -> Previous {
    Previous { version, fingerprint: leaf.fingerprint, not_after: leaf.not_after }
}

fn later(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
