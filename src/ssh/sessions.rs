//! How many session channels a connection has, and may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Session channels at once; sshd allows 10 a connection (`MaxSessions`).
const MAX_SESSIONS: usize = 8;

/// The session channels of a connection.
pub(super) struct Sessions {
    permits: Arc<Semaphore>,
    /// Those that are open or asked for.
    taken: Arc<AtomicUsize>,
    /// The host has allowed one.
    any: AtomicBool,
}

impl Default for Sessions {
    fn default() -> Self {
        let permits = Arc::new(Semaphore::new(MAX_SESSIONS));
        Self { permits, taken: Arc::default(), any: AtomicBool::new(false) }
    }
}

/// What a refusal means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The host allows fewer than we thought: the next one waits for one of ours.
    Fewer,
    /// None of ours is open, but the host has not heard that, or its last command has not ended yet.
    NotYet,
    /// The host has never allowed one.
    All,
}

impl Sessions {
    /// Waits for a place among the sessions that may be open.
    pub(super) async fn place(&self) -> SessionPlace {
        // The semaphore is never closed.
        let permit = self.permits.clone().acquire_owned().await.ok();
        self.taken.fetch_add(1, Ordering::AcqRel);
        SessionPlace { taken: self.taken.clone(), permit }
    }

    /// The host has allowed one.
    pub(super) fn allowed(&self) {
        self.any.store(true, Ordering::Release);
    }

    /// The host has refused one. There is one place less from now on, but for the last.
    pub(super) fn refused(&self, mut place: SessionPlace) -> Refused {
        let permit = place.permit.take();
        if self.taken.fetch_sub(1, Ordering::AcqRel) > 1 {
            permit.into_iter().for_each(OwnedSemaphorePermit::forget);
            return Refused::Fewer;
        }
        if self.any.load(Ordering::Acquire) { Refused::NotYet } else { Refused::All }
    }
}

/// A place among the sessions that are open; the next one in line gets it when dropped.
pub(super) struct SessionPlace {
    taken: Arc<AtomicUsize>,
    /// None once the place was given up.
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.taken.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_takes_a_place_away_but_never_the_last() {
        let sessions = Sessions::default();
        let (one, two, three) = (sessions.place().await, sessions.place().await, sessions.place().await);
        assert_eq!(sessions.refused(three), Refused::Fewer);
        assert_eq!(sessions.refused(two), Refused::Fewer);
        assert_eq!(sessions.refused(one), Refused::All);
        assert_eq!(sessions.permits.available_permits(), MAX_SESSIONS - 2);
        for _ in 0..MAX_SESSIONS {
            let place = sessions.place().await;
            assert_eq!(sessions.refused(place), Refused::All);
        }
        // Once it has allowed one, a refusal passes.
        let place = sessions.place().await;
        sessions.allowed();
        drop(place);
        let place = sessions.place().await;
        assert_eq!(sessions.refused(place), Refused::NotYet);
        assert_eq!(sessions.permits.available_permits(), MAX_SESSIONS - 2);
    }
}
