//! What a client would have noticed while a host was switched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use openssl::sha::sha256;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::certificate::Leaf;
use crate::engine::handshake::names::{others, settle};
use crate::engine::handshake::prove::{AnswerCount, HANDSHAKE, Shown, dial, observe, places};
use crate::engine::handshake::rate::{OWN, ProbeRate};
use crate::model::Fingerprint;
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Clock, Connection, Conversation, HeldRequest, IdleConnection, Prober};
use crate::rollout::Measured;
use crate::verify::{Endpoint, HeldOutcome, Observation};

/// How long a request that was held may take to be answered.
const ANSWER: Duration = Duration::from_secs(10);
/// So many connections are kept idle at an endpoint that speaks HTTP.
const IDLE: usize = 2;

/// An endpoint that is to be watched, with a request in flight where it speaks HTTP.
pub(crate) struct Prepared<P: Prober> {
    endpoint: Endpoint,
    /// Whether its listener outlives the switch, so that no handshake need fail.
    outlives: bool,
    held: Option<P::Held>,
    idle: Vec<P::Idle>,
}

impl<P: Prober> Prepared<P> {
    /// An endpoint that has nothing in flight.
    pub(crate) fn without_request(service: &PlannedService, endpoint: &Endpoint) -> Self {
        Self {
            endpoint: endpoint.clone(),
            outlives: service.spec.keeps_listening(),
            held: None,
            idle: Vec::new(),
        }
    }

    /// Keeps connections idle where the server speaks HTTP. That is done just before a switch, since servers close idle
    /// connections by themselves, too.
    pub(crate) async fn keep_idle<C: Connection>(&mut self, prober: &P, connection: &Arc<C>) {
        if self.held.is_some() {
            let dial = || dial(prober, Some(connection), &self.endpoint);
            let kept = (0..IDLE).map(|_| prober.keep(dial, &self.endpoint, HANDSHAKE));
            self.idle = join_all(kept).await.into_iter().flatten().collect();
        }
    }

    /// Whether it is at this place, which may be planned by a name.
    pub(crate) fn is_at(&self, planned: &Endpoint) -> bool {
        let by_name = planned.address.parse::<std::net::IpAddr>().is_err();
        self.endpoint.port == planned.port && (by_name || self.endpoint.address == planned.address)
    }
}

/// Makes ready to watch a host's services: what every place shows, and what watches it. Of dual certificates one is watched:
/// it is the server that is, not its certificate. Where nothing answers TLS there is nothing that could be noticed.
pub(crate) async fn prepare<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    plan: &HostPlan,
) -> (Vec<Shown>, Vec<Prepared<P>>) {
    let each = plan.services.iter().map(|service| async move {
        let places = places(prober, &service.endpoints).await;
        join_all(places.into_iter().map(|place| at_place(prober, connection, service, place))).await
    });
    let (shown, prepared): (Vec<_>, Vec<_>) = join_all(each).await.into_iter().flatten().unzip();
    (shown.into_iter().flatten().collect(), prepared.into_iter().flatten().collect())
}

/// What one place shows for each name that may count, and what watches it.
async fn at_place<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    service: &PlannedService,
    endpoint: Endpoint,
) -> (Vec<Shown>, Option<Prepared<P>>) {
    let is_watched = endpoint.key == service.endpoints[0].key;
    let (observed, held) = match is_watched {
        true => hold(prober, connection, &endpoint).await,
        false => (observe(prober, Some(connection), &endpoint).await, None),
    };
    let others = others(prober, Some(connection), service, &endpoint, &observed).await;
    let mut shown = vec![(service.name.clone(), endpoint, observed)];
    shown.extend(others);
    settle(prober, Some(connection), &mut shown).await;
    // The first name may be none of this host's.
    let answering = shown.iter().find(|(_, _, observed)| matches!(observed, Observation::Served(_)));
    let watched = answering.filter(|_| is_watched).map(|(_, endpoint, _)| endpoint.clone());
    let outlives = service.spec.keeps_listening();
    (shown, watched.map(|endpoint| Prepared { endpoint, outlives, held, idle: Vec::new() }))
}

/// Handshakes, each at its turn, and one request in flight, until it is asked to stop.
pub(crate) struct AvailabilityProbe {
    /// What it watches.
    pub(crate) endpoint: Endpoint,
    /// Answers with another certificate than the new one, since the reload was confirmed.
    pub(crate) contrary: AnswerCount,
    /// Answers with the new one, since then.
    pub(crate) agreed: AnswerCount,
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
        Prepared { endpoint, outlives, mut held, idle }: Prepared<P>,
    ) -> Self {
        let (watched, contrary, confirmed) =
            (endpoint.clone(), AnswerCount::default(), Arc::<AtomicBool>::default());
        let (others, is_confirmed) = (contrary.clone(), confirmed.clone());
        let agreed = AnswerCount::default();
        let agreeing = agreed.clone();
        let new: Vec<Fingerprint> = new.iter().map(|leaf| leaf.fingerprint_sha256).collect();
        let (stop, mut stopped) = watch::channel(false);
        let (prober, connection) = (prober.clone(), connection.clone());
        let (clock, rate) = (clock.clone(), rate.clone());
        let task = tokio::spawn(async move {
            let mut tally = Tally::new(outlives);
            let mut answer: Option<JoinHandle<HeldOutcome>> = None;
            loop {
                let first = tally.measured.handshakes.tried == 0;
                tokio::select! {
                    // A lost sender means the same as being asked to stop. Each makes one at least.
                    _ = stopped.changed(), if !first => break,
                    () = rate.turn(clock.as_ref()) => {}
                    () = clock.sleep(OWN), if first => {}
                    // A server that is restarted waits for the request that is held: its end must not wait for a turn.
                    () = refused(prober.as_ref(), &connection, clock.as_ref(), &endpoint), if !outlives && held.is_some() => {
                        answer = held.take().map(|held| tokio::spawn(held.finish(ANSWER)));
                        continue;
                    }
                }
                // One that began before belongs to the reload.
                let counts = is_confirmed.load(Ordering::Relaxed);
                let observed = observe(prober.as_ref(), Some(&connection), &endpoint).await;
                if counts && is_another(&observed, &new) {
                    others.add();
                } else if counts && matches!(observed, Observation::Served(_)) {
                    agreeing.add();
                }
                if matches!(observed, Observation::Unreachable(_)) && held.is_some() {
                    answer = held.take().map(|held| tokio::spawn(held.finish(ANSWER)));
                }
                tally.count(&endpoint, observed);
            }
            tally.measured.idle = idle.len() as u64;
            for kept in idle {
                tally.measured.closed += u64::from(kept.was_closed().await);
            }
            tally.measured.held = match (held, answer) {
                (Some(held), _) => Some(held.finish(ANSWER).await),
                (None, Some(answer)) => answer.await.ok(),
                (None, None) => None,
            };
            tally.measured
        });
        Self { endpoint: watched, contrary, agreed, confirmed, stop, task }
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
    if !endpoint.may_speak_http() {
        return (plain().await, None);
    }
    let dial = || dial(prober, Some(connection), endpoint);
    match prober.converse(dial, endpoint, HANDSHAKE).await {
        (observed, Conversation::Held(held)) => (observed, Some(held)),
        (observed, Conversation::Ended) => (observed, prober.hold(dial, endpoint, HANDSHAKE).await),
        // A server may refuse who offers HTTP (RFC 7301, section 3.2).
        (Observation::NotTls(_) | Observation::Refused { .. }, Conversation::None) => (plain().await, None),
        (observed, Conversation::None) => (observed, None),
    }
}

/// Whether a handshake brought a certificate, and none of these.
fn is_another(observed: &Observation, new: &[Fingerprint]) -> bool {
    let Observation::Served(served) = observed else { return false };
    served.chain.first().is_none_or(|leaf| !new.contains(&Fingerprint::new(sha256(leaf))))
}

/// Waits until an endpoint takes no connection any more.
async fn refused<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    clock: &impl Clock,
    endpoint: &Endpoint,
) {
    loop {
        clock.sleep(OWN).await;
        if dial(prober, Some(connection), endpoint).await.is_err() {
            return;
        }
    }
}

/// What one probe saw.
struct Tally {
    outlives: bool,
    measured: Measured,
    gap: Gap,
}

/// Where a server is on its way through a restart, as far as handshakes show.
#[derive(Clone, Copy, PartialEq)]
enum Gap {
    Before,
    Within,
    Behind,
}

impl Tally {
    fn new(outlives: bool) -> Self {
        Self { outlives, measured: Measured::default(), gap: Gap::Before }
    }

    /// A restart explains the first gap; nothing explains one where the listener outlives the switch.
    fn count(&mut self, endpoint: &Endpoint, observed: Observation) {
        self.measured.handshakes.tried += 1;
        let Some(reason) = observed.failure() else {
            if self.gap == Gap::Within {
                self.gap = Gap::Behind;
            }
            return;
        };
        self.measured.handshakes.failed += 1;
        self.measured.first_failure.get_or_insert(format!("{endpoint}: {reason}"));
        if self.outlives || self.gap == Gap::Behind {
            self.measured.unexplained += 1;
        } else {
            self.gap = Gap::Within;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::World;

    /// How many failures the switch does not explain; `+` is an answer.
    fn unexplained(outlives: bool, seen: &str) -> u64 {
        let endpoint = World::nginx().service().endpoints[0].clone();
        let all = crate::engine::testing::certificates();
        let mut tally = Tally::new(outlives);
        for one in seen.chars() {
            let failed = Observation::Unreachable("refused".to_owned());
            tally.count(&endpoint, if one == '+' { all.shown(&all.new) } else { failed });
        }
        assert_eq!(tally.measured.handshakes.tried, seen.len() as u64);
        assert_eq!(tally.measured.handshakes.failed, seen.matches('-').count() as u64);
        tally.measured.unexplained
    }

    #[test]
    fn a_restart_explains_one_gap_and_a_reload_none() {
        for (seen, restart, reload) in
            [("+++", 0, 0), ("+---+++", 0, 3), ("---+", 0, 3), ("+--+-+--", 3, 5), ("+-", 0, 1)]
        {
            assert_eq!((unexplained(false, seen), unexplained(true, seen)), (restart, reload), "{seen}");
        }
    }
}
