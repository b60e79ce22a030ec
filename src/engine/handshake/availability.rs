//! What a client would have noticed while a host was switched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use openssl::sha::sha256;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::certificate::Leaf;
use crate::engine::handshake::prove::{Contrary, HANDSHAKE, Shown, dial, observe, places};
use crate::engine::handshake::rate::{OWN, ProbeRate};
use crate::gate::Handshakes;
use crate::model::Fingerprint;
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Clock, Connection, Conversation, HeldRequest, Prober};
use crate::rollout::Measured;
use crate::verify::{Endpoint, HeldOutcome, Observation};

/// How long a request that was held may take to be answered.
const ANSWER: Duration = Duration::from_secs(10);

/// An endpoint that answers, with a request in flight where it speaks HTTP.
pub(crate) struct Prepared<H> {
    endpoint: Endpoint,
    held: Option<H>,
}

/// Makes ready to watch a host's services: what every place shows, and what watches it. Of dual certificates one is watched:
/// it is the server that is, not its certificate. Where nothing answers TLS there is nothing that could be noticed.
pub(crate) async fn prepare<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    plan: &HostPlan,
) -> (Vec<Shown>, Vec<Prepared<P::Held>>) {
    let each = plan.services.iter().map(|PlannedService { name, endpoints, .. }| async move {
        let places = places(prober, endpoints).await.into_iter().map(|endpoint| async move {
            let (observed, held) = match endpoint.key == endpoints[0].key {
                true => hold(prober, connection, &endpoint).await,
                false => (observe(prober, Some(connection), &endpoint).await, None),
            };
            let watched = endpoint.key == endpoints[0].key && matches!(observed, Observation::Served(_));
            let prepared = watched.then(|| Prepared { endpoint: endpoint.clone(), held });
            ((name.clone(), endpoint, observed), prepared)
        });
        join_all(places).await
    });
    let (shown, prepared): (Vec<_>, Vec<_>) = join_all(each).await.into_iter().flatten().unzip();
    (shown, prepared.into_iter().flatten().collect())
}

/// Handshakes, each at its turn, and one request in flight, until it is asked to stop.
pub(crate) struct AvailabilityProbe {
    /// What it watches.
    pub(crate) endpoint: Endpoint,
    /// Answers with another certificate than the new one, since the reload was confirmed.
    pub(crate) contrary: Contrary,
    confirmed: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Measured>,
}

impl AvailabilityProbe {
    /// Starts to watch an endpoint. `new` are the leaves that it is to serve.
    pub(crate) fn start<C: Connection, P: Prober>(
        prober: &Arc<P>,
        connection: &Arc<C>,
        clock: &Arc<impl Clock>,
        rate: &Arc<ProbeRate>,
        new: &[Leaf],
        Prepared { endpoint, held }: Prepared<P::Held>,
    ) -> Self {
        let (watched, contrary, confirmed) =
            (endpoint.clone(), Contrary::default(), Arc::<AtomicBool>::default());
        let (others, is_confirmed) = (contrary.clone(), confirmed.clone());
        let new: Vec<Fingerprint> = new.iter().map(|leaf| leaf.fingerprint_sha256).collect();
        let (stop, mut stopped) = watch::channel(false);
        let (prober, connection) = (prober.clone(), connection.clone());
        let (clock, rate) = (clock.clone(), rate.clone());
        let task = tokio::spawn(async move {
            let mut measured = Measured::default();
            loop {
                let first = measured.handshakes.tried == 0;
                tokio::select! {
                    // A lost sender means the same as being asked to stop. Each makes one at least.
                    _ = stopped.changed(), if !first => break,
                    () = rate.turn(clock.as_ref()) => {}
                    () = clock.sleep(OWN), if first => {}
                }
                // One that began before belongs to the reload.
                let counts = is_confirmed.load(Ordering::Relaxed);
                let observed = observe(prober.as_ref(), Some(&connection), &endpoint).await;
                if counts && is_another(&observed, &new) {
                    others.add();
                }
                count(&mut measured, &endpoint, observed);
            }
            if let Some(held) = held {
                measured.held = Some(held.finish(ANSWER).await);
            }
            measured
        });
        Self { endpoint: watched, contrary, confirmed, stop, task }
    }

    /// From now on, another certificate than the new one is contrary to the proof.
    pub(crate) fn reload_is_confirmed(&self) {
        self.confirmed.store(true, Ordering::Relaxed);
    }

    /// Stops, and says what was seen.
    pub(crate) async fn finish(self) -> Measured {
        // A watch without listener is a task that ended.
        let _ = self.stop.send(true);
        self.task.await.unwrap_or_default()
    }
}

/// A handshake, with a request in flight where the endpoint speaks HTTP.
async fn hold<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    endpoint: &Endpoint,
) -> (Observation, Option<P::Held>) {
    let plain = || observe(prober, Some(connection), endpoint);
    if endpoint.starttls.is_some() {
        return (plain().await, None);
    }
    let dial = || dial(prober, Some(connection), endpoint);
    match prober.converse(dial, endpoint, HANDSHAKE).await {
        (observed, Conversation::Held(held)) => (observed, Some(held)),
        (observed, Conversation::Ended) => (observed, prober.hold(dial, endpoint, HANDSHAKE).await),
        // A server may refuse who offers HTTP (RFC 7301, section 3.2).
        (Observation::NotTls(_), Conversation::None) => (plain().await, None),
        (observed, Conversation::None) => (observed, None),
    }
}

/// Whether a handshake brought a certificate, and none of these.
fn is_another(observed: &Observation, new: &[Fingerprint]) -> bool {
    let Observation::Served(served) = observed else { return false };
    served.chain.first().is_none_or(|leaf| !new.contains(&Fingerprint::new(sha256(leaf))))
}

fn count(measured: &mut Measured, endpoint: &Endpoint, observed: Observation) {
    measured.handshakes.tried += 1;
    if let Observation::NotTls(reason) | Observation::Unreachable(reason) = observed {
        measured.handshakes.failed += 1;
        measured.first_failure.get_or_insert(format!("{endpoint}: {reason}"));
    }
}

/// What several probes saw together.
pub(crate) fn together(all: Vec<Measured>) -> Measured {
    all.into_iter().fold(Measured::default(), |sum, one| Measured {
        handshakes: Handshakes {
            tried: sum.handshakes.tried + one.handshakes.tried,
            failed: sum.handshakes.failed + one.handshakes.failed,
        },
        first_failure: sum.first_failure.or(one.first_failure),
        held: match (sum.held, one.held) {
            (Some(HeldOutcome::Cut(reason)), _) | (_, Some(HeldOutcome::Cut(reason))) => {
                Some(HeldOutcome::Cut(reason))
            }
            (first, second) => first.or(second),
        },
    })
}
