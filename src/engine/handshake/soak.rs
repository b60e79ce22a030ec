//! The watch over a soaking wave: handshakes with every host of it, round after round.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::task::JoinHandle;

use crate::engine::handshake::prove::observe;
use crate::engine::target::Target;
use crate::gate::{Gate, HandshakeSample, Sample};
use crate::model::ServiceName;
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Clock, Connection, Connector, Prober, SoakWatch};
use crate::verify::{Endpoint, Expectation, Via, judge};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(500);
/// Handshakes at the same time.
const AT_ONCE: usize = 16;

/// Watches until dropped.
#[derive(Debug)]
pub struct FleetWatch {
    gates: &'static [Gate],
    seen: Arc<Mutex<HandshakeSample>>,
    task: JoinHandle<()>,
}

impl Drop for FleetWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SoakWatch for FleetWatch {
    fn so_far(&self) -> Vec<Sample> {
        let sample = |gate: &Gate| match gate {
            Gate::Handshakes => {
                Sample::Handshakes(self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone())
            }
        };
        self.gates.iter().map(sample).collect()
    }
}

/// A host under watch.
pub(crate) struct Watching {
    plan: HostPlan,
    places: Vec<(ServiceName, Endpoint, Expectation)>,
}

impl Watching {
    /// A host that serves the target, proven.
    pub(crate) fn new(plan: &HostPlan, target: &Target) -> Self {
        let place = |service: &PlannedService, endpoint: &Endpoint| {
            (service.name.clone(), endpoint.clone(), target.expected(endpoint, None))
        };
        let mut places = Vec::new();
        for service in &plan.services {
            places.extend(service.endpoints.iter().map(|endpoint| place(service, endpoint)));
        }
        Self { plan: plan.clone(), places }
    }
}

impl FleetWatch {
    pub(crate) fn start<C: Connector, P: Prober, K: Clock>(
        gates: &'static [Gate],
        watched: Vec<Watching>,
        connector: Arc<C>,
        prober: Arc<P>,
        clock: Arc<K>,
    ) -> Self {
        let seen = Arc::new(Mutex::new(HandshakeSample::default()));
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            // Where endpoints are dialled from the host itself, its connection is kept from round to round.
            let mut watched: Vec<(Watching, Option<Arc<C::Connection>>)> =
                watched.into_iter().map(|one| (one, None)).collect();
            loop {
                watched = stream::iter(watched)
                    .map(|(one, mut connection)| {
                        let (connector, prober, clock, seen) = (&connector, &prober, &clock, &shared);
                        async move {
                            connect(&one, &mut connection, connector.as_ref()).await;
                            look(&one, connection.as_ref(), prober.as_ref(), clock.as_ref(), seen).await;
                            (one, connection)
                        }
                    })
                    .buffered(AT_ONCE)
                    .collect()
                    .await;
                clock.sleep(ROUND).await;
            }
        });
        Self { gates, seen, task }
    }
}

async fn connect<C: Connector>(one: &Watching, connection: &mut Option<Arc<C::Connection>>, connector: &C) {
    let through_ssh = one.places.iter().any(|(_, endpoint, _)| endpoint.via == Via::Ssh);
    if through_ssh && connection.is_none() {
        *connection = connector.connect(&one.plan.login).await.ok().map(Arc::new);
    }
}

async fn look<C: Connection, P: Prober>(
    one: &Watching,
    connection: Option<&Arc<C>>,
    prober: &P,
    clock: &impl Clock,
    seen: &Mutex<HandshakeSample>,
) {
    for (service, endpoint, expected) in &one.places {
        let observed = observe(prober, connection, endpoint).await;
        let judgement = judge(expected, &observed, clock.now());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.handshakes.tried += 1;
        if !judgement.is_good() {
            seen.handshakes.failed += 1;
            let host = &one.plan.login.host;
            if !seen.failed_hosts.contains(host) {
                seen.failed_hosts.push(host.clone());
            }
            seen.first_failure
                .get_or_insert(format!("{host}: {service} at {endpoint}: {}", judgement.words()));
        }
    }
}
