//! The way back: the previous version is live, reloaded and proven.

use std::time::Duration;

use crate::engine::handshake::availability::{Prepared, prepare};
use crate::engine::handshake::prove::Aim;
use crate::engine::host::HostRun;
use crate::engine::host::run::one_line;
use crate::engine::host::session::{answer, failed};
use crate::install::{InstallSpec, Rollback};
use crate::ports::{Clock, Connector, Prober};
use crate::rollout::{Exposure, Measured, StepFailure};

/// A way back does not wait any longer until it can be watched: a server that is broken may take all the time there is.
const READY: Duration = Duration::from_secs(1);

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn roll_back(&mut self) -> Result<Measured, StepFailure> {
        let known = self.known;
        let reloaded = known.exposure == Exposure::Reloaded;
        let Some(previous) = &known.previous else {
            return Err(StepFailure::Failed { reason: "there is no previous certificate".to_owned() });
        };
        // After an activation that failed, the probes watch still.
        if reloaded && self.session.probes.is_empty() {
            self.watch_the_way_back().await;
        }
        let services = self.plan.script_services();
        let task = InstallSpec::rollback(&previous.version, reloaded);
        let output = self.session.task(&task, self.plan.patience()).await?;
        let rollback = Rollback::parse(&answer(&output), &services).map_err(|error| failed(&error))?;
        if let Some(reason) = rollback.problem() {
            return Err(StepFailure::Failed { reason: one_line(&reason) });
        }
        if reloaded {
            let back = self.memory().put_back(previous).await;
            back.map_err(|reason| StepFailure::Failed { reason })?;
        }
        let mut proven = self.prove_all(Aim::Previous).await;
        let limited = match &proven {
            Ok(()) => false,
            Err(disproof) => self.is_limited(disproof, Aim::Previous).await,
        };
        let measured = self.session.end_probes().await;
        if limited {
            proven = self.prove_slowly(Aim::Previous).await;
        }
        match proven {
            Ok(()) => Ok(measured),
            Err(disproof) => Err(StepFailure::Failed { reason: disproof.to_string() }),
        }
    }

    /// Watches the services on their way back as on the way there.
    async fn watch_the_way_back(&mut self) {
        let (prober, clock) = (self.rollout.prober.as_ref(), self.rollout.clock.as_ref());
        let connection = self.session.connection.clone();
        let ready = tokio::select! {
            biased;
            (_, ready) = prepare(prober, &connection, self.plan) => ready,
            () = clock.sleep(READY) => Vec::new(),
        };
        // What answers nobody now, and did before, is watched as well.
        let mut watched = ready;
        for service in &self.plan.services {
            for endpoint in service.endpoints.iter().filter(|one| one.key == service.endpoints[0].key) {
                let is_ready = watched.iter().any(|one| one.is_at(endpoint));
                if !is_ready && !self.known.baseline.was_silent(&service.name, endpoint) {
                    watched.push(Prepared::without_request(service, endpoint));
                }
            }
        }
        self.watch(watched).await;
    }
}
