//! A look at a host in order to plan: all that a rollout would find out there, and nothing touched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::fleet::{Target, services};
use super::haproxy::HaproxyDialogue;
use super::ports::{Clock, Connector, Prober};
use super::probe::{observe, places};
use super::session::{Ended, Session, answer, failed};
use super::way_back::{WayBack, read_leaf};
use crate::certificate::{Certificate, parse_pem};
use crate::engine::envoy::EnvoyDialogue;
use crate::install::{Facts, Reads};
use crate::model::Version;
use crate::plan::HostPlan;
use crate::preview::{Leaf, Missed, Seen, SeenFile, SeenHost, SeenReads, SeenServed};
use crate::rollout::{StepResult, Undone};
use crate::service::ServiceSpec;
use crate::verify::{Expectation, Observation, judge};

const SCRIPT: Duration = Duration::from_secs(60);

/// What a survey needs to know besides the plan.
pub struct Surveyor<C, P, K> {
    /// How hosts are reached.
    pub connector: C,
    /// How handshakes are made.
    pub prober: P,
    /// The controller's clock.
    pub clock: K,
    /// What would be rolled out; none where it is not issued yet.
    pub target: Option<Arc<Target>>,
    /// Versions that are never put back.
    pub revoked: BTreeSet<Version>,
}

impl<C: Connector, P: Prober, K: Clock> Surveyor<C, P, K> {
    /// Looks at a host. No lock is taken, and nothing is written there.
    pub async fn survey(&self, plan: &HostPlan) -> Seen {
        match self.look(plan).await {
            Ok(host) => Seen::Host(Box::new(host)),
            Err(StepResult::Unreachable { reason } | StepResult::InDoubt { reason }) => {
                Seen::Missed(Missed { reason, unreachable: true })
            }
            Err(StepResult::Failed { reason }) => Seen::Missed(Missed { reason, unreachable: false }),
            Err(_) => {
                let reason = "the look gave an answer that is not its own".to_owned();
                Seen::Missed(Missed { reason, unreachable: false })
            }
        }
    }

    async fn look(&self, plan: &HostPlan) -> Result<SeenHost, Ended> {
        let session = Session::unlocked(&self.connector, plan).await?;
        let services = services(plan);
        let asked = self.clock.now();
        let output = session.run(plan, &plan.install.survey(&services), None, SCRIPT).await?;
        let clock = (asked, self.clock.now());
        let facts =
            Facts::parse(&answer(&output), &plan.install, &services).map_err(|error| failed(&error))?;
        let mut problems: Vec<String> =
            facts.problems(&plan.install, &services).iter().map(ToString::to_string).collect();
        problems.extend(self.memory(plan, &session).await);
        let target = self.target.as_ref().map(|target| target.set.version());
        let (undo, revoked) = (false, &self.revoked);
        let previous =
            WayBack { plan, session: &session, facts: &facts, target, undo, revoked }.find().await?;
        let live = facts.live_version().cloned();
        let (served, all_new) = self.served(plan, &session).await;
        let names = plan.services.iter().map(|service| &service.name);
        Ok(SeenHost {
            clock_ahead: facts.clock.map_or(0, |there| ahead(there, clock)),
            on_disk: facts
                .active
                .iter()
                .filter_map(|pem| read_leaf(pem))
                .map(|leaf| (&leaf).into())
                .collect(),
            proven: live.is_some() && live.as_ref() == target && all_new,
            staged: target.is_some_and(|target| facts.complete.contains(target)),
            previous,
            armed: facts.armed.as_ref().is_some_and(|armed| Some(&armed.target) == live.as_ref()),
            undone: facts.fired.as_ref().map(|fired| Undone {
                at: fired.at,
                target: fired.target.clone(),
                previous: fired.previous.clone(),
                problem: fired.problem.clone(),
            }),
            problems,
            reads: names.zip(facts.reads).map(|(name, reads)| seen_reads(name.clone(), reads)).collect(),
            links: facts.links,
            live,
            served,
        })
    }

    /// What stands in the way of servers whose memory is changed.
    async fn memory(&self, plan: &HostPlan, session: &Session<C::Connection>) -> Vec<String> {
        let mut wrong = Vec::new();
        let set = self.target.as_ref().map(|target| &target.set);
        for service in &plan.services {
            let ready = match &service.spec {
                ServiceSpec::Haproxy(haproxy) => {
                    HaproxyDialogue { session, plan, haproxy }.could_take(set).await
                }
                ServiceSpec::Envoy(envoy) => EnvoyDialogue { session, plan, envoy }.ready().await,
                ServiceSpec::Nginx(_) | ServiceSpec::Command { .. } => Ok(()),
            };
            wrong.extend(
                ready.err().map(|reason| format!("service `{}` is not ready: {reason}", service.name)),
            );
        }
        wrong
    }

    /// What every endpoint serves, and whether all of it is what would be rolled out.
    async fn served(&self, plan: &HostPlan, session: &Session<C::Connection>) -> (Vec<SeenServed>, bool) {
        let mut seen = Vec::new();
        let mut all_new = self.target.is_some();
        for service in &plan.services {
            for endpoint in places(&self.prober, &service.endpoints).await {
                let observed = observe(&self.prober, Some(&session.connection), &endpoint).await;
                all_new &= self.target.as_ref().is_some_and(|target| {
                    let expected = Expectation {
                        chain: target.set.of(endpoint.key).fingerprints(),
                        server_name: endpoint.server_name.clone(),
                        previous: Vec::new(),
                        known: target.known.clone(),
                    };
                    judge(&expected, &observed, self.clock.now()).is_good()
                });
                let (leaf, reason) = match observed {
                    Observation::Served(served) => {
                        let leaf = served.chain.first().and_then(|der| Certificate::from_der(der).ok());
                        (leaf.as_ref().map(Leaf::from), None)
                    }
                    Observation::NotTls(reason) | Observation::Unreachable(reason) => (None, Some(reason)),
                };
                seen.push(SeenServed { service: service.name.clone(), endpoint, leaf, reason });
            }
        }
        (seen, all_new)
    }
}

/// How far a clock is ahead of the time in which it was read.
fn ahead(clock: Timestamp, (asked, answered): (Timestamp, Timestamp)) -> i64 {
    let clock = clock.as_second();
    // It tells whole seconds.
    if clock < asked.as_second() {
        clock - asked.as_second()
    } else if clock > answered.as_second() {
        clock - answered.as_second()
    } else {
        0
    }
}

fn seen_reads(service: crate::model::ServiceName, reads: Reads) -> SeenReads {
    let file = |file: crate::install::NamedFile| SeenFile {
        leaf: file.pem.and_then(|pem| parse_pem(pem.as_bytes()).ok()?.first().map(Leaf::from)),
        path: file.path,
        is_key: file.is_key,
        ours: file.ours,
    };
    SeenReads { service, broken: reads.broken, files: reads.files.into_iter().map(file).collect() }
}
