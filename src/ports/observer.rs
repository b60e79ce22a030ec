//! Whoever watches a rollout.

use jiff::Timestamp;

use crate::gate::Sample;
use crate::rollout::{Event, State};

/// Sees every event once it is in the journal.
pub trait Observer: Send + 'static {
    /// Events that were written together, and the state after them.
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State);

    /// What the gates of a soaking wave have measured so far; comes about once a second.
    fn soaking(&mut self, samples: &[Sample], until: Timestamp, now: Timestamp);
}

impl<O: Observer + ?Sized> Observer for Box<O> {
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State) {
        (**self).events(events, state);
    }

    fn soaking(&mut self, samples: &[Sample], until: Timestamp, now: Timestamp) {
        (**self).soaking(samples, until, now);
    }
}
