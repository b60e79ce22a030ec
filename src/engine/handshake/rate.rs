//! How dense the handshakes are that run while hosts are switched.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::ports::Clock;

/// A probe that had no turn for so long since it started makes one handshake all the same: the switch is under way.
pub(crate) const OWN: Duration = Duration::from_millis(100);
/// From one turn to the next where one host alone is switched: it hits the gap of a restart.
const ALONE: SignedDuration = SignedDuration::from_millis(40);
/// From one turn to the next, of all probes together, where there are several: a thousand cost the controller no
/// more than two, and the gap that all of them have is hit at some.
const TOGETHER: SignedDuration = SignedDuration::from_millis(100);

/// Shared by all probes of a rollout.
#[derive(Debug, Default)]
pub(crate) struct ProbeRate {
    /// When the next turn is: who holds it waits for that, and the others for whoever is before them.
    next: Mutex<Option<Timestamp>>,
}

impl ProbeRate {
    /// Waits for the next turn. Who no longer waits takes none from those behind.
    pub(crate) async fn turn(&self, clock: &impl Clock) {
        let (mut next, pause) = match self.next.try_lock() {
            Ok(next) => (next, ALONE),
            Err(_) => (self.next.lock().await, TOGETHER),
        };
        if let Some(next) = *next {
            clock.sleep(Duration::try_from(next.duration_since(clock.now())).unwrap_or_default()).await;
        }
        *next = clock.now().checked_add(pause).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::{join_all, poll_immediate};

    use super::*;

    /// Time goes on when somebody waits for it.
    struct Fast(Mutex<Timestamp>);

    impl Clock for Fast {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, duration: Duration) {
            tokio::task::yield_now().await;
            let mut now = self.0.lock().unwrap();
            *now = now.checked_add(SignedDuration::try_from(duration).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_thousand_probes_have_as_many_turns_a_second_as_two() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let end = start + SignedDuration::from_secs(10);
        for (probes, all) in [(1, 250..=250), (2, 100..=102), (10, 100..=102), (1000, 100..=102)] {
            let (rate, clock) = (ProbeRate::default(), Fast(Mutex::new(start)));
            let each = (0..probes).map(async |_| {
                let mut turns = 0;
                while clock.now() < end {
                    rate.turn(&clock).await;
                    turns += usize::from(clock.now() < end);
                }
                turns
            });
            let turns = runtime.block_on(join_all(each));
            let sum = turns.iter().sum::<usize>();
            assert!(all.contains(&sum), "{probes} probes had {sum} turns");
            let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
            assert!(most - least <= 2, "{probes} probes had from {least} to {most} turns");
        }
    }

    #[tokio::test]
    async fn who_no_longer_waits_takes_no_turn_from_those_behind() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let (rate, clock) = (ProbeRate::default(), Fast(Mutex::new(start)));
        rate.turn(&clock).await;
        let mut leaving: Vec<_> = (0..100).map(|_| Box::pin(rate.turn(&clock))).collect();
        for one in &mut leaving {
            assert!(poll_immediate(one).await.is_none());
        }
        drop(leaving);
        rate.turn(&clock).await;
        assert_eq!(clock.now(), start + ALONE);
    }
}
