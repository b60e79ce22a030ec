//! How dense the handshakes are that run while hosts are switched.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// So many each witness makes in any case, at its own pace.
const OWN: u64 = 3;
/// From one of these to the next: a reload takes 100 ms and more.
const OWN_PAUSE: Duration = Duration::from_millis(60);
/// From one of those that all witnesses share to the next. One host alone is watched as densely as this, which hits
/// the gap of a restart; a thousand at once cost the controller no more than one.
const SHARED_PAUSE: SignedDuration = SignedDuration::from_millis(40);

/// Shared by all witnesses of a rollout.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the next turn is.
    next: Mutex<Option<Timestamp>>,
}

impl Pace {
    /// How long a witness that made so many handshakes waits for its next turn.
    pub(super) fn turn(&self, made: u64, now: Timestamp) -> Duration {
        if made < OWN {
            return OWN_PAUSE;
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.unwrap_or(now).max(now).saturating_add(SHARED_PAUSE).unwrap_or(now);
        *next = Some(turn);
        Duration::try_from(turn.duration_since(now)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_witnesses_make_as_many_handshakes_a_second_as_one() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        for witnesses in [1, 10, 1000] {
            let pace = Pace::default();
            let mut due = vec![(start, 0_u64); witnesses];
            let end = start.saturating_add(SignedDuration::from_secs(10)).unwrap();
            while let Some((at, made)) = due.iter_mut().min().filter(|(at, _)| *at < end) {
                *made += 1;
                let wait = pace.turn(*made, *at);
                *at = at.saturating_add(SignedDuration::try_from(wait).unwrap()).unwrap();
            }
            let made: u64 = due.iter().map(|(_, made)| made).sum();
            let own = OWN * witnesses as u64;
            assert!((own + 200..=own + 251).contains(&made), "{witnesses} witnesses made {made}");
        }
    }
}
