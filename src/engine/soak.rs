//! The watch over a soaking wave: handshakes with every host of it, round after round.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::task::JoinHandle;

use crate::engine::driver::{SoakWatch, Watched};
use crate::engine::fleet::Fleet;
use crate::engine::ports::{Clock, Connector, Prober};
use crate::engine::probe::observe;
use crate::model::ServiceName;
use crate::plan::{HostPlan, PlannedService};
use crate::verify::{Endpoint, Expectation, Via, judge};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(500);
/// Handshakes at the same time.
const AT_ONCE: usize = 16;

/// Watches until dropped.
#[derive(Debug)]
pub struct FleetWatch {
    seen: Arc<Mutex<Watched>>,
    task: JoinHandle<()>,
}

impl Drop for FleetWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SoakWatch for FleetWatch {
    fn so_far(&self) -> Watched {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A host under watch.
struct Watching<C> {
    host: usize,
    plan: HostPlan,
    places: Vec<(ServiceName, Endpoint, Expectation)>,
    /// Where endpoints are dialled from the host itself.
    connection: Option<Arc<C>>,
}

impl FleetWatch {
    pub(super) fn start<C: Connector, P: Prober, K: Clock>(
        fleet: &Fleet<C, P, K>,
        hosts: Vec<usize>,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Watched::default()));
        let (connector, prober, clock) = (fleet.connector.clone(), fleet.prober.clone(), fleet.clock.clone());
        let watched: Vec<_> = hosts
            .into_iter()
            .map(|host| {
                let plan = fleet.plan.hosts[host].clone();
                let place = |service: &PlannedService, endpoint: &Endpoint| {
                    (service.name.clone(), endpoint.clone(), fleet.expected(endpoint, None))
                };
                let mut places = Vec::new();
                for service in &plan.services {
                    places.extend(service.endpoints.iter().map(|endpoint| place(service, endpoint)));
                }
                Watching { host, plan, places, connection: None }
            })
            .collect();
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            let mut watched: Vec<Watching<C::Connection>> = watched;
            loop {
                watched = stream::iter(watched)
                    .map(|mut one| {
                        let (connector, prober, clock, seen) = (&connector, &prober, &clock, &shared);
                        async move {
                            connect(&mut one, connector.as_ref()).await;
                            look(&one, prober.as_ref(), clock.as_ref(), seen).await;
                            one
                        }
                    })
                    .buffered(AT_ONCE)
                    .collect()
                    .await;
                clock.sleep(ROUND).await;
            }
        });
        Self { seen, task }
    }
}

async fn connect<C: Connector>(one: &mut Watching<C::Connection>, connector: &C) {
    let through_ssh = one.places.iter().any(|(_, endpoint, _)| endpoint.via == Via::Ssh);
    if through_ssh && one.connection.is_none() {
        one.connection = connector.connect(&one.plan.login).await.ok().map(Arc::new);
    }
}

async fn look<C: crate::engine::ports::Connection, P: Prober>(
    one: &Watching<C>,
    prober: &P,
    clock: &impl Clock,
    seen: &Mutex<Watched>,
) {
    for (service, endpoint, expected) in &one.places {
        let observed = observe(prober, one.connection.as_ref(), endpoint).await;
        let judgement = judge(expected, &observed, clock.now());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.handshakes.tried += 1;
        if !judgement.is_good() {
            seen.handshakes.failed += 1;
            if !seen.failed_hosts.contains(&one.host) {
                seen.failed_hosts.push(one.host);
            }
            let host = &one.plan.login.host;
            seen.first_failure
                .get_or_insert(format!("{host}: {service} at {endpoint}: {}", judgement.words()));
        }
    }
}
