//! How long a rollout has been worked on.

use std::time::Duration;

use jiff::Timestamp;

/// Three times of work. They stand still while nobody drives the rollout: while it is paused, or its controller
/// is dead. A clock that steps back adds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stopwatch {
    seen: Option<Timestamp>,
    /// Since the rollout began.
    pub rollout: Duration,
    /// Since its wave began.
    pub wave: Duration,
    /// Since a host of the wave came to its end, or the wave began.
    pub progress: Duration,
}

impl Stopwatch {
    /// The same watch at another time.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let worked = self.seen.and_then(|seen| Duration::try_from(now.duration_since(seen)).ok());
        let worked = worked.unwrap_or_default();
        self.rollout += worked;
        self.wave += worked;
        self.progress += worked;
        self.seen = Some(now);
        self
    }

    /// The same watch, with the time since it was looked at last left out.
    #[must_use]
    pub(super) fn after_a_stop(self, now: Timestamp) -> Self {
        Self { seen: Some(now), ..self }
    }
}
