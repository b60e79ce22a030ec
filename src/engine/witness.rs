//! What a client would have noticed while a host was switched.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::pace::{OWN, Pace};
use super::ports::{Clock, Connection, Conversation, HeldRequest, Prober};
use super::probe::{HANDSHAKE, dial, observe};
use crate::gate::Handshakes;
use crate::rollout::Measured;
use crate::verify::{Endpoint, HeldOutcome, Observation};

/// How long a request that was held may take to be answered.
const ANSWER: Duration = Duration::from_secs(10);

/// An endpoint that answers, with a request in flight where it speaks HTTP.
pub(super) struct Prepared<H> {
    endpoint: Endpoint,
    held: Option<H>,
}

/// Makes ready to watch endpoints. Where nothing answers TLS there is nothing that could be noticed.
pub(super) async fn prepare<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    endpoints: Vec<Endpoint>,
) -> Vec<Prepared<P::Held>> {
    let each = endpoints.into_iter().map(|endpoint| async move {
        let held = hold(prober, connection, &endpoint).await;
        let answers = held.is_some()
            || matches!(observe(prober, Some(connection), &endpoint).await, Observation::Served(_));
        answers.then_some(Prepared { endpoint, held })
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// Handshakes, each at its turn, and one request in flight, until it is asked to stop.
pub(super) struct Witness {
    stop: watch::Sender<bool>,
    task: JoinHandle<Measured>,
}

impl Witness {
    /// Starts to watch an endpoint.
    pub(super) fn start<C: Connection, P: Prober>(
        prober: &Arc<P>,
        connection: &Arc<C>,
        clock: &Arc<impl Clock>,
        pace: &Arc<Pace>,
        Prepared { endpoint, held }: Prepared<P::Held>,
    ) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let (prober, connection) = (prober.clone(), connection.clone());
        let (clock, pace) = (clock.clone(), pace.clone());
        let task = tokio::spawn(async move {
            let mut measured = Measured::default();
            loop {
                let first = measured.handshakes.tried == 0;
                tokio::select! {
                    // A lost sender means the same as being asked to stop. Each makes one at least.
                    _ = stopped.changed(), if !first => break,
                    () = pace.turn(clock.as_ref()) => {}
                    () = clock.sleep(OWN), if first => {}
                }
                let observed = observe(prober.as_ref(), Some(&connection), &endpoint).await;
                count(&mut measured, &endpoint, observed);
            }
            if let Some(held) = held {
                measured.held = Some(held.finish(ANSWER).await);
            }
            measured
        });
        Self { stop, task }
    }

    /// Stops, and says what was seen.
    pub(super) async fn finish(self) -> Measured {
        // A watch without listener is a task that ended.
        let _ = self.stop.send(true);
        self.task.await.unwrap_or_default()
    }
}

async fn hold<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    endpoint: &Endpoint,
) -> Option<P::Held> {
    if endpoint.starttls.is_some() {
        return None;
    }
    let dial = || dial(prober, Some(connection), endpoint);
    match prober.converse(dial, endpoint, HANDSHAKE).await {
        Conversation::Held(held) => Some(held),
        Conversation::Ended => prober.hold(dial, endpoint, HANDSHAKE).await,
        Conversation::None => None,
    }
}

fn count(measured: &mut Measured, endpoint: &Endpoint, observed: Observation) {
    measured.handshakes.tried += 1;
    if let Observation::NotTls(reason) | Observation::Unreachable(reason) = observed {
        measured.handshakes.failed += 1;
        measured.first_failure.get_or_insert(format!("{endpoint}: {reason}"));
    }
}

/// What several witnesses saw together.
pub(super) fn together(all: Vec<Measured>) -> Measured {
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
