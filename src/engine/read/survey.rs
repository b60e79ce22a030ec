//! A survey of a host, in order to plan: all that a rollout would find out there, and nothing touched.

use std::sync::Arc;

use crate::engine::host::reader::HostReader;
use crate::engine::host::session::{Session, answer, failed};
use crate::engine::memory::EnvoyDialogue;
use crate::engine::memory::HaproxyDialogue;
use crate::engine::target::{StoredVersions, Target};
use crate::install::Facts;
use crate::plan::HostPlan;
use crate::ports::{Clock, Connector, Prober};
use crate::preview::{Missed, Seen, SeenHost};
use crate::rollout::StepFailure;
use crate::service::Dialogue;

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
    /// What the store knows.
    pub stored: StoredVersions,
}

impl<C: Connector, P: Prober, K: Clock> Surveyor<C, P, K> {
    /// Surveys a host. No lock is taken, and nothing is written there.
    pub async fn survey(&self, plan: &HostPlan) -> Seen {
        match self.read(plan).await {
            Ok(host) => Seen::Host(Box::new(host)),
            Err(failure) => {
                let unreachable = failure.is_disconnected();
                Seen::Missed(Missed { reason: failure.reason().to_owned(), unreachable })
            }
        }
    }

    async fn read(&self, plan: &HostPlan) -> Result<SeenHost, StepFailure> {
        let mut session = Session::unlocked(&self.connector, plan).await?;
        let services = plan.script_services();
        let survey = plan.install.survey(&services);
        let asked = self.clock.now();
        let output = session.run(plan, &survey, None, plan.patience()).await?;
        let facts =
            Facts::parse(&answer(&output), &plan.install, &services).map_err(|error| failed(&error))?;
        session.sudo_logs = facts.sudo_logs;
        let reader = HostReader {
            plan,
            session: &session,
            prober: &self.prober,
            clock: &self.clock,
            target: self.target.as_deref(),
            stored: &self.stored,
            undo: false,
        };
        let mut problems: Vec<String> =
            facts.problems(&plan.install, &services).iter().map(ToString::to_string).collect();
        problems.extend(self.memory(plan, &session).await);
        let target = self.target.as_ref().map(|target| target.set.version());
        let shown = reader.handshakes(facts.live_version() != target).await;
        Ok(reader.read(facts, shown, problems, asked).await?.seen)
    }

    /// What stands in the way of servers whose memory is changed.
    async fn memory(&self, plan: &HostPlan, session: &Session<C::Connection>) -> Vec<String> {
        let mut wrong = Vec::new();
        let set = self.target.as_ref().map(|target| &target.set);
        for service in &plan.services {
            let ready = match service.spec.dialogue() {
                Some(Dialogue::Haproxy(haproxy)) => {
                    HaproxyDialogue { session, plan, haproxy }.could_take(set).await
                }
                Some(Dialogue::Envoy(envoy)) => EnvoyDialogue { session, plan, envoy }.ready().await,
                None => Ok(()),
            };
            wrong.extend(
                ready.err().map(|reason| format!("service `{}` is not ready: {reason}", service.name)),
            );
        }
        wrong
    }
}
