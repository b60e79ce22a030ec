//! The watch over a soaking wave: handshakes with every host of it, round after round.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::handshake::prove::observe;
use crate::engine::target::Target;
use crate::gate::{Gate, HandshakeSample, Sample};
use crate::model::ServiceName;
use crate::plan::HostPlan;
use crate::ports::{Clock, Connector, Prober, SoakWatch};
use crate::rollout::Baseline;
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
    /// True when no handshake is to begin any more.
    ending: watch::Sender<bool>,
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

    async fn finish(&mut self) {
        self.ending.send_replace(true);
        if !self.task.is_finished() {
            // Each handshake has its time limit. A watch that broke down has seen what it has seen.
            let _ = (&mut self.task).await;
        }
    }
}

/// A host under watch.
pub(crate) struct Watching {
    plan: HostPlan,
    /// Each place of a service, once for each name that it serves.
    places: Vec<(ServiceName, Vec<(Endpoint, Expectation)>)>,
    /// How often it was looked at: each look asks for the next name.
    round: usize,
}

impl Watching {
    /// A host that serves the target, proven.
    pub(crate) fn new(plan: &HostPlan, target: &Target, before: &Baseline) -> Self {
        let mut places = Vec::new();
        for service in &plan.services {
            for place in &service.endpoints {
                let counts = |one: &Endpoint| !before.is_elsewhere(&service.name, &place.address, one);
                let names = service.for_every_name(place).filter(counts);
                let names = names.map(|one| {
                    let expected = target.expected(&one, None);
                    (one, expected)
                });
                places.push((service.name.clone(), names.collect()));
            }
        }
        Self { plan: plan.clone(), places, round: 0 }
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
        let (ending, ended) = watch::channel(false);
        let watcher = Watcher { connector, prober, clock, seen: seen.clone(), ended };
        Self { gates, seen, ending, task: tokio::spawn(watcher.rounds(watched)) }
    }
}

/// Makes the handshakes.
struct Watcher<C, P, K> {
    connector: Arc<C>,
    prober: Arc<P>,
    clock: Arc<K>,
    seen: Arc<Mutex<HandshakeSample>>,
    ended: watch::Receiver<bool>,
}

impl<C: Connector, P: Prober, K: Clock> Watcher<C, P, K> {
    async fn rounds(self, watched: Vec<Watching>) {
        let mut ended = self.ended.clone();
        // Where endpoints are dialled from the host itself, its connection is kept from round to round.
        let mut watched: Vec<(Watching, Option<Arc<C::Connection>>)> =
            watched.into_iter().map(|one| (one, None)).collect();
        while !self.is_ending() {
            let looks = stream::iter(watched).map(|(mut one, connection)| async {
                let connection = self.look(&one, connection).await;
                one.round += 1;
                (one, connection)
            });
            watched = looks.buffered(AT_ONCE).collect().await;
            tokio::select! {
                () = self.clock.sleep(ROUND) => {}
                _ = ended.changed() => return,
            }
        }
    }

    fn is_ending(&self) -> bool {
        *self.ended.borrow()
    }

    /// One handshake with each endpoint of a host; the connection that they need is kept.
    async fn look(
        &self,
        one: &Watching,
        mut connection: Option<Arc<C::Connection>>,
    ) -> Option<Arc<C::Connection>> {
        let through_ssh =
            one.places.iter().flat_map(|(_, names)| names).any(|(endpoint, _)| endpoint.via == Via::Ssh);
        if through_ssh && connection.is_none() && !self.is_ending() {
            connection = self.connector.connect(&one.plan.login).await.ok().map(Arc::new);
        }
        for (service, names) in &one.places {
            if self.is_ending() {
                break;
            }
            let Some((endpoint, expected)) = names.get(one.round % names.len().max(1)) else { continue };
            let observed = observe(self.prober.as_ref(), connection.as_ref(), endpoint).await;
            let judgement = judge(expected, &observed, self.clock.now());
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
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
        connection
    }
}
