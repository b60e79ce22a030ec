//! Handshakes as close together as a switch has them, to see whether a listener takes so many.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ports::{BurstEnd, Dial, Prober};
use crate::tls::TlsProber;
use crate::verify::{Endpoint, Observation};

/// What the switch of one host alone makes: the availability probe, the proof, and the first seconds of a soak.
const HANDSHAKES: usize = 40;
/// The availability probe and the proof dial at the same time.
const AT_ONCE: usize = 2;
/// A switch takes no longer, as a rule; over a slow link it has the fewer handshakes.
const TAKES: Duration = Duration::from_secs(2);
/// So many failures in a row are no accident, nor one of several servers that is broken.
const FAILURES: usize = 6;
/// Between them: somebody else's reload is over by then.
const PAUSE: Duration = Duration::from_millis(50);

/// So many are made at once when a rollout begins: its first hosts have whole bursts, and so have the others of its kind.
const FIRST: usize = 200;
/// So many more every second: however many hosts are switched at a time, that costs the controller next to nothing.
const A_SECOND: f64 = 40.0;

/// How many handshakes there may be in bursts. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Bursts(Arc<Mutex<Budget>>);

#[derive(Debug, Default)]
struct Budget {
    taken: f64,
    at: Option<Instant>,
}

impl Budget {
    /// Takes what is left for one burst.
    fn take(&mut self, now: Instant) -> usize {
        let passed = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        self.at = Some(now);
        self.taken = (self.taken - passed.as_secs_f64() * A_SECOND).max(0.0);
        let burst = HANDSHAKES as f64;
        if self.taken + burst > FIRST as f64 {
            return 0;
        }
        self.taken += burst;
        HANDSHAKES
    }
}

impl Bursts {
    /// A burst; how it ended where the listener no longer took a connection.
    pub(super) async fn run(
        &self,
        prober: &TlsProber,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> Option<BurstEnd> {
        let budget = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        let (left, made) = (AtomicUsize::new(budget), AtomicUsize::new(0));
        let start = Instant::now();
        let more = || start.elapsed() < TAKES && take(&left);
        let lane = || async {
            let mut failures = 0;
            while failures > 0 || more() {
                match prober.handshake(&dial, endpoint, deadline).await {
                    Observation::Served(_) => {
                        made.fetch_add(1, Ordering::Relaxed);
                        failures = 0;
                    }
                    failed => {
                        failures += 1;
                        if failures == FAILURES {
                            left.store(0, Ordering::Relaxed);
                            return Some(failed);
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            None
        };
        let ended = futures_util::future::join_all((0..AT_ONCE).map(|_| lane())).await;
        let failed = ended.into_iter().flatten().next()?;
        Some(BurstEnd { made: made.into_inner(), failed })
    }
}

/// Takes one of what is left.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bursts_are_whole_and_however_many_follow_they_cost_little() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let taken: Vec<usize> = (0..7).map(|_| budget.take(start)).collect();
        assert_eq!(taken, [40, 40, 40, 40, 40, 0, 0]);
        // A thousand hosts in ten seconds.
        let more: usize = (1..=1_000).map(|one| budget.take(start + Duration::from_millis(10 * one))).sum();
        assert!((360..=400).contains(&more), "{more}");
        assert_eq!(budget.take(start + Duration::from_secs(60)), 40);
    }
}
