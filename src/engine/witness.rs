//! What a client would have noticed while a host was switched.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ports::{Clock, Connection, HeldRequest, Prober};
use super::probe::{HANDSHAKE, dial, observe};
use crate::gate::Handshakes;
use crate::rollout::Measured;
use crate::verify::{Endpoint, HeldOutcome, Observation};

/// From the end of one handshake to the start of the next: dense enough to hit a gap of a reload, and thin
/// enough to leave the processors of controller and host to their work.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a request that was held may take to be answered.
const ANSWER: Duration = Duration::from_secs(10);

/// Handshakes without pause, and one request in flight, until it is asked to stop.
pub(super) struct Witness {
    stop: watch::Sender<bool>,
    task: JoinHandle<Measured>,
}

impl Witness {
    /// Starts to watch an endpoint; nothing where nothing answers TLS there now, since then there is nothing
    /// that could be noticed.
    pub(super) async fn start<C: Connection, P: Prober>(
        prober: &Arc<P>,
        connection: &Arc<C>,
        clock: &Arc<impl Clock>,
        endpoint: &Endpoint,
    ) -> Option<Self> {
        let before = observe(prober.as_ref(), Some(connection), endpoint).await;
        if !matches!(before, Observation::Served(_)) {
            return None;
        }
        let held = hold(prober.as_ref(), connection, endpoint).await;
        let (stop, mut stopped) = watch::channel(false);
        let (prober, connection, clock) = (prober.clone(), connection.clone(), clock.clone());
        let endpoint = endpoint.clone();
        let task = tokio::spawn(async move {
            let mut measured = Measured::default();
            // A lost sender means the same as being asked to stop.
            while !*stopped.borrow_and_update() && stopped.has_changed().is_ok() {
                let observed = observe(prober.as_ref(), Some(&connection), &endpoint).await;
                count(&mut measured, &endpoint, observed);
                clock.sleep(PAUSE).await;
            }
            if let Some(held) = held {
                measured.held = Some(held.finish(ANSWER).await);
            }
            measured
        });
        Some(Self { stop, task })
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
    let first = dial(prober, Some(connection), endpoint).await.ok()?;
    if !prober.speaks_http(first, endpoint, HANDSHAKE).await {
        return None;
    }
    let second = dial(prober, Some(connection), endpoint).await.ok()?;
    prober.hold(second, endpoint, HANDSHAKE).await
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
