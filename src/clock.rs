//! The time of an operation.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::ports::Clock;

/// What the system's clock said at the start, and what has passed since: whoever sets the clock meanwhile neither
/// prolongs a soak nor cuts it short.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    start: Timestamp,
    since: Instant,
}

impl SteadyClock {
    /// A clock that begins with what the system's says now.
    pub fn start() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that begins at a time.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, since: Instant::now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.start.checked_add(self.since.elapsed()).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
