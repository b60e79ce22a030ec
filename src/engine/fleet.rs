//! What each step does to a host.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::certificate::CertificateSet;
use crate::engine::driver::Effects;
use crate::engine::host_reader::{Host, HostReader};
use crate::engine::memory::Memory;
use crate::engine::pace::Pace;
use crate::engine::ports::{Clock, Connection, Connector, Prober};
use crate::engine::probe::{Proof, Wanted, prove_all};
use crate::engine::session::{Ended, Session, answer, failed};
use crate::engine::soak::FleetWatch;
use crate::engine::witness::{Prepared, Witness, prepare, together};
use crate::install::{
    Activation, Attendants, Committed, DeadMan, Facts, FileName, FilePart, InstallError, InstallSpec,
    Rollback, Seen, Service, StagePayload, Staged,
};
use crate::model::{Fingerprint, Secret, ServiceName, Version};
use crate::plan::{HostPlan, Plan, PlannedService};
use crate::preview::{self, Bar, Leaf, Risk};
use crate::rollout::{HostState, Measured, Previous, Step, StepResult};
use crate::verify::{Endpoint, EndpointState, Expectation, Judgement};

/// For scripts that only look or copy.
const SCRIPT: Duration = Duration::from_secs(60);

/// What is being rolled out.
#[derive(Debug, Clone)]
pub struct Target {
    /// The certificates, proven.
    pub set: CertificateSet,
    /// The leaves of all others in the store.
    pub known: BTreeSet<Fingerprint>,
    /// Of these, and of what is rolled out, the leaves of this certificate's versions.
    pub own: BTreeSet<Fingerprint>,
    /// Versions of it that are never to be served again.
    pub revoked: BTreeSet<Version>,
}

/// A plan's hosts, and all that is needed to act on them.
pub struct Fleet<C: Connector, P: Prober, K> {
    pub(super) plan: Arc<Plan>,
    pub(super) target: Arc<Target>,
    /// The leaves that are rolled out.
    leaves: Vec<Leaf>,
    /// What hosts are sent when they are staged, by the mode that their keys are to have: the same bytes for all.
    payloads: HashMap<u16, StagePayload>,
    pub(super) connector: Arc<C>,
    pub(super) prober: Arc<P>,
    pub(super) clock: Arc<K>,
    pace: Arc<Pace>,
    attendants: Attendants,
    seats: Vec<Mutex<Seat<C::Connection, P::Held>>>,
}

/// What is kept of a host from one step to the next.
struct Seat<C: Connection, H> {
    session: Option<Session<C>>,
    /// Made ready while it was staged, to watch it while it is switched; none where it was not staged just now.
    prepared: Option<Vec<Prepared<H>>>,
    /// Whether every link led into what is live when it was inspected.
    linked: bool,
    /// What it was found to be, where it is going to be switched.
    inspected: Option<Host>,
}

impl<C: Connection, H> Default for Seat<C, H> {
    fn default() -> Self {
        Self { session: None, prepared: None, linked: false, inspected: None }
    }
}

impl<C: Connector, P: Prober, K: Clock> Fleet<C, P, K> {
    /// `who` is told to anybody else who wants the lock of a host.
    pub fn new(plan: Arc<Plan>, target: Arc<Target>, connector: C, prober: P, clock: K, who: String) -> Self {
        let seats = plan.hosts.iter().map(|_| Mutex::default()).collect();
        let files = files(&target.set);
        let leaves = target.set.bundles().map(|bundle| bundle.leaf().into()).collect();
        let version = target.set.version();
        let mut payloads = HashMap::new();
        for InstallSpec { layout, key_mode, .. } in plan.hosts.iter().map(|host| &host.install) {
            payloads
                .entry(*key_mode)
                .or_insert_with(|| StagePayload::new(layout, version, &files, *key_mode));
        }
        let (connector, prober, clock) = (Arc::new(connector), Arc::new(prober), Arc::new(clock));
        let scripts = plan.hosts.iter().flat_map(|host| &host.services).map(|service| service.spec.script());
        let attendants = Attendants::new(&who, scripts);
        Self {
            plan,
            target,
            leaves,
            payloads,
            connector,
            prober,
            clock,
            pace: Arc::default(),
            attendants,
            seats,
        }
    }

    /// Makes sure of a connection that holds the host's lock.
    async fn session<'s>(
        &self,
        plan: &HostPlan,
        step: Step,
        slot: &'s mut Option<Session<C::Connection>>,
    ) -> Result<&'s mut Session<C::Connection>, Ended> {
        match slot {
            Some(session) => Ok(session),
            None => {
                let first = (step == Step::Inspect).then(InstallSpec::inspect);
                let session = Session::open(self.connector.as_ref(), plan, &self.attendants, first.as_ref());
                Ok(slot.insert(session.await?))
            }
        }
    }

    async fn act(
        &self,
        plan: &HostPlan,
        step: Step,
        known: &HostState,
        Seat { session, prepared, linked, inspected }: &mut Seat<C::Connection, P::Held>,
    ) -> Result<StepResult, Ended> {
        let session = self.session(plan, step, session).await?;
        // On the heap, each when it begins: a host that waits for its connection takes no room for all of them.
        match step {
            Step::Inspect => Box::pin(self.inspect(plan, session, known, (linked, inspected))).await,
            Step::Stage => Box::pin(self.stage(plan, session, inspected.take(), prepared)).await,
            Step::Activate => {
                let prepared = prepared.take();
                let seen = Seen { whole: prepared.is_some(), linked: *linked };
                Box::pin(self.activate(plan, session, known, prepared, seen)).await
            }
            Step::Verify => Box::pin(self.verify(plan, session, known)).await,
            Step::Commit => Box::pin(self.commit(session, known)).await,
            Step::Rollback => Box::pin(self.roll_back(plan, session, known)).await,
        }
    }

    async fn inspect(
        &self,
        plan: &HostPlan,
        session: &Session<C::Connection>,
        known: &HostState,
        (linked, inspected): (&mut bool, &mut Option<Host>),
    ) -> Result<StepResult, Ended> {
        let services = services(plan);
        let reader = HostReader {
            plan,
            session,
            prober: self.prober.as_ref(),
            clock: self.clock.as_ref(),
            target: Some(&self.target),
            own: &self.target.own,
            revoked: &self.target.revoked,
            undo: self.plan.schedule.undo.is_some(),
        };
        let asked = self.clock.now();
        let inspect = InstallSpec::inspect();
        let forward = !self.plan.schedule.goes_back();
        let output = session.task(&inspect, patience(plan)).await?;
        let facts =
            Facts::parse(&answer(&output), &plan.install, &services).map_err(|error| failed(&error))?;
        *linked = facts.is_linked();
        let mut problems = facts.problems(&plan.install, &services);
        if !forward {
            problems.extend(facts.not_running(&services));
        }
        if !problems.is_empty() {
            let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(StepResult::Failed { reason: reasons.join("; ") });
        }
        self.memory(plan, session).ready().await.map_err(|reason| StepResult::Failed { reason })?;
        let is_live = facts.live_version() == Some(self.target.set.version());
        // Where it is to be staged, what is served is seen when it is made ready to be watched.
        let is_staged = facts.complete.contains(self.target.set.version());
        let shown = if is_live || forward && is_staged { reader.handshakes().await } else { Vec::new() };
        let host = reader.read(facts, shown, Vec::new(), asked).await?;
        // What is on its way back, or half-way to the new certificate, is not held up by how it is.
        if !forward || known.touched {
            return Ok(preview::answer(&host.seen, Vec::new()));
        }
        refused(plan, &host)?;
        let risks = preview::risks_of(plan, &host.seen, &self.leaves, self.clock.now());
        let remarks = risks.iter().filter(|risk| risk.bar() == Bar::Never).map(Risk::remark).collect();
        let answer = preview::answer(&host.seen, remarks);
        *inspected = Some(host);
        Ok(answer)
    }

    fn memory<'a>(
        &'a self,
        plan: &'a HostPlan,
        session: &'a Session<C::Connection>,
    ) -> Memory<'a, C::Connection, K> {
        Memory { plan, session, set: &self.target.set, clock: self.clock.as_ref() }
    }

    /// The host's services are made ready to be watched at the same time; what they serve then may keep the rollout from it.
    async fn stage(
        &self,
        plan: &HostPlan,
        session: &Session<C::Connection>,
        inspected: Option<Host>,
        prepared: &mut Option<Vec<Prepared<P::Held>>>,
    ) -> Result<StepResult, Ended> {
        let payload = &self.payloads[&plan.install.key_mode];
        let task = InstallSpec::stage(self.target.set.version(), payload);
        let staging = session.task(&task, SCRIPT);
        let (output, (shown, ready)) =
            tokio::join!(staging, prepare(self.prober.as_ref(), &session.connection, plan));
        Staged::parse(&answer(&output?)).map_err(|error| failed(&error))?;
        if let Some(mut host) = inspected {
            host.add(shown);
            refused(plan, &host)?;
        }
        *prepared = Some(ready);
        Ok(StepResult::Done)
    }

    async fn activate(
        &self,
        plan: &HostPlan,
        session: &mut Session<C::Connection>,
        known: &HostState,
        prepared: Option<Vec<Prepared<P::Held>>>,
        seen: Seen,
    ) -> Result<StepResult, Ended> {
        session.witnesses.clear();
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => prepare(self.prober.as_ref(), &session.connection, plan).await.1,
        };
        for one in prepared {
            let (prober, connection) = (&self.prober, &session.connection);
            session.witnesses.push(Witness::start(prober, connection, &self.clock, &self.pace, one));
        }
        let services = services(plan);
        let counted = self.memory(plan, session).before().await;
        let before = known.previous.as_ref().map(|previous| &previous.version);
        let target = self.target.set.version();
        let back = known.previous.as_ref().filter(|previous| !previous.revoked);
        let dead_man = back.zip(plan.dead_man).map(|(previous, after)| {
            let (previous, not_after) = (previous.version.clone(), previous.not_after);
            DeadMan { target: target.clone(), previous, not_after, after }
        });
        let task = InstallSpec::activate(target, before, dead_man.as_ref(), seen);
        let output = session.task(&task, patience(plan)).await?;
        let activation = match Activation::parse(&answer(&output), &services) {
            Ok(activation) => activation,
            Err(error @ InstallError::Unfinished { .. }) => return Err(failed(&error)),
            // Said before the switch: nothing that is live was changed.
            Err(error) => return Err(StepResult::Refused { reason: error.to_string() }),
        };
        let reason = one_line(&activation.problem().unwrap_or_default());
        Ok(match activation {
            Activation::Activated => match self.memory(plan, session).take(&counted).await {
                Ok(()) => StepResult::Activated,
                Err(reason) => StepResult::Failed { reason },
            },
            // What follows the link served the new certificate for a moment: that it went back is proven.
            Activation::Refused { swapped_back: true, .. }
                if !plan.services.iter().any(|service| service.spec.follows_the_link()) =>
            {
                StepResult::Refused { reason }
            }
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
            Err(disproof) => StepResult::Disproven {
                state: disproof.judgement.state,
                reason: disproof.to_string(),
                measured,
            },
        })
    }

    async fn commit(&self, session: &Session<C::Connection>, known: &HostState) -> Result<StepResult, Ended> {
        let before = known.previous.as_ref().map(|previous| &previous.version);
        let task = InstallSpec::commit(self.target.set.version(), before);
        let output = session.task(&task, SCRIPT).await?;
        match Committed::parse(&answer(&output)) {
            Ok(_) => Ok(StepResult::Done),
            Err(error @ (InstallError::Undone { .. } | InstallError::StillArmed { .. })) => {
                Err(StepResult::Refused { reason: error.to_string() })
            }
            Err(error) => Err(failed(&error)),
        }
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
        let task = InstallSpec::rollback(&previous.version, known.reloaded);
        let output = session.task(&task, patience(plan)).await?;
        let rollback = Rollback::parse(&answer(&output), &services).map_err(|error| failed(&error))?;
        if let Some(reason) = rollback.problem() {
            return Err(StepResult::Failed { reason: one_line(&reason) });
        }
        if known.reloaded {
            let back = self.memory(plan, session).put_back(previous).await;
            back.map_err(|reason| StepResult::Failed { reason })?;
        }
        match self.prove_all(plan, session, known, Wanted::Previous).await {
            Ok(()) => Ok(StepResult::RolledBack),
            Err(disproof) => Err(StepResult::Failed { reason: disproof.to_string() }),
        }
    }

    /// Every endpoint, at the same time; the first that is not as wanted.
    async fn prove_all(
        &self,
        plan: &HostPlan,
        session: &Session<C::Connection>,
        known: &HostState,
        wanted: Wanted,
    ) -> Result<(), Disproof> {
        let until = later(self.clock.now(), plan.timeout);
        let world = (self.prober.as_ref(), Some(&session.connection), self.clock.as_ref());
        let expected = |endpoint: &Endpoint| self.expected(endpoint, known.previous.as_ref());
        let proofs = prove_all(world, plan, expected, wanted, until).await;
        let disproof = |Proof { service, endpoint, result }: Proof| {
            result.map_err(|judgement| Disproof { service, endpoint, judgement })
        };
        let mut all: Vec<Result<(), Disproof>> = proofs.into_iter().map(disproof).collect();
        // Something that stands between matters more than a server that is merely late.
        all.sort_by_key(|proof| !matches!(proof, Err(one) if one.judgement.state == EndpointState::Unknown));
        all.into_iter().collect()
    }

    pub(super) fn expected(&self, endpoint: &Endpoint, previous: Option<&Previous>) -> Expectation {
        Expectation {
            chain: self.target.set.of(endpoint.key).fingerprints(),
            server_name: endpoint.server_name.clone(),
            previous: previous.map(|previous| previous.leaves.clone()).unwrap_or_default(),
            known: self.target.known.clone(),
        }
    }
}

/// Ends a step before the switch, where the host must not be switched as it is.
fn refused(plan: &HostPlan, host: &Host) -> Result<(), Ended> {
    match preview::refusal(plan, &host.seen) {
        Some(reason) => Err(StepResult::Failed { reason }),
        None => Ok(()),
    }
}

/// An endpoint that is not as wanted.
struct Disproof {
    service: ServiceName,
    endpoint: Endpoint,
    judgement: Judgement,
}

impl fmt::Display for Disproof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.service, self.endpoint, self.judgement.words())
    }
}

impl<C: Connector, P: Prober, K: Clock> Effects for Fleet<C, P, K> {
    type Watch = FleetWatch;

    async fn run(&self, host: usize, step: Step, known: HostState) -> StepResult {
        let plan = &self.plan.hosts[host];
        let mut seat = self.seats[host].lock().await;
        let result = self.act(plan, step, &known, &mut seat).await.unwrap_or_else(|ended| ended);
        if matches!(result, StepResult::Unreachable { .. } | StepResult::InDoubt { .. }) {
            // The next step finds out for itself whether the host is there again.
            *seat = Seat::default();
        }
        result
    }

    fn release(&self, host: usize) {
        // Its steps are over, so nobody else has the slot.
        if let Ok(mut seat) = self.seats[host].try_lock() {
            *seat = Seat::default();
        }
    }

    fn watch(&self, hosts: Vec<usize>) -> FleetWatch {
        FleetWatch::start(self, hosts)
    }
}

async fn end_witnesses<C: Connection>(session: &mut Session<C>) -> Measured {
    let mut all = Vec::new();
    for witness in session.witnesses.drain(..) {
        all.push(witness.finish().await);
    }
    together(all)
}

pub(super) fn services(plan: &HostPlan) -> Vec<Service> {
    let patience = u32::try_from(plan.timeout.as_secs()).unwrap_or(u32::MAX).max(1);
    let service = |service: &PlannedService| {
        let mut settings = service.spec.settings(patience);
        if plan.accepted {
            settings.push(("may_start", "yes".to_owned()));
        }
        Service { name: service.name.clone(), settings, script: service.spec.script() }
    };
    plan.services.iter().map(service).collect()
}

/// Each service may use its whole time for its test and again for its reload.
pub(super) fn patience(plan: &HostPlan) -> Duration {
    SCRIPT + plan.timeout * 3 * u32::try_from(plan.services.len()).unwrap_or(1)
}

pub(super) fn files(set: &CertificateSet) -> Vec<(FileName, Secret)> {
    let mut files = Vec::new();
    for (algorithm, bundle) in set.files() {
        let combined = bundle.combined_pem();
        let parts = [
            (FilePart::Cert, Secret::new(bundle.cert_pem())),
            (FilePart::Chain, Secret::new(bundle.chain_pem())),
            (FilePart::Fullchain, Secret::new(bundle.fullchain_pem())),
            (FilePart::Privkey, bundle.key().clone()),
            (FilePart::Combined, combined),
        ];
        files.extend(parts.map(|(part, bytes)| (FileName { part, algorithm }, bytes)));
    }
    files
}

/// A server's words, which may be many lines, for messages that are one.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

pub(super) fn later(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
