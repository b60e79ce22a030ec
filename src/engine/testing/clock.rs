//! Time that goes on when all wait for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::testing::now;
use crate::ports::Clock;

/// Whoever can do something without waiting has done it in so many turns.
const TURNS: usize = 16;

/// Its clones are the same clock. Of those who wait, the one whose time comes first goes on first.
#[derive(Clone)]
pub(crate) struct VirtualClock(Arc<Mutex<Times>>);

struct Times {
    now: Timestamp,
    awaited: Vec<Timestamp>,
}

impl VirtualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Times { now: now(), awaited: Vec::new() })))
    }

    /// How long it has been running.
    pub(crate) fn passed(&self) -> Duration {
        Duration::try_from(self.now().duration_since(now())).unwrap()
    }
}

/// Whoever no longer waits holds nobody up.
struct Waiting<'a>(&'a VirtualClock, Timestamp);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut times = self.0.0.lock().unwrap();
        let at = times.awaited.iter().position(|time| *time == self.1);
        at.map(|at| times.awaited.swap_remove(at));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now() + SignedDuration::try_from(duration).unwrap();
        self.0.lock().unwrap().awaited.push(until);
        let waiting = Waiting(self, until);
        loop {
            let before = self.now();
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            let mut times = self.0.lock().unwrap();
            // Whoever has just gone on may have something to do.
            if times.now == before && times.awaited.iter().all(|time| *time >= until) {
                times.now = times.now.max(until);
                break;
            }
        }
        drop(waiting);
    }
}
