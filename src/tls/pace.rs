//! How often a listener is dialled that limits that: all handshakes with one address and port take turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until};

use crate::model::HostName;
use crate::verify::Endpoint;

/// A listener: the host through which it is dialled, its address and port.
type Place = (Option<HostName>, String, u16);

/// The turns at each listener with a rate. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Paces(Arc<Mutex<HashMap<Place, Next>>>);

/// When the next turn at a listener is; none where there was none yet.
type Next = Arc<Turns<Option<Instant>>>;

/// A turn at a listener. It lasts until the connection is closed: a limit may be on connections at the same time.
pub(super) type Turn = OwnedMutexGuard<Option<Instant>>;

impl Paces {
    /// Waits for the next turn, in the order of asking; where an endpoint has no rate, there is none to wait for.
    pub(super) async fn turn(&self, endpoint: &Endpoint) -> Option<Turn> {
        let interval = endpoint.rate()?.interval();
        let through = endpoint.client.as_ref().and_then(|client| client.through.clone());
        let place = (through, endpoint.address.clone(), endpoint.port);
        let turns = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default().clone();
        let mut next = turns.lock_owned().await;
        if let Some(next) = *next {
            sleep_until(next).await;
        }
        *next = Instant::now().checked_add(interval);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;
    use crate::plan::testing::endpoint;

    fn rated(rate: &str) -> Endpoint {
        endpoint().with_client(|client| client.rate = Some(rate.parse().unwrap()))
    }

    /// How long it takes until all had so many turns.
    async fn takes(paces: &Paces, all: &[Endpoint], turns: usize) -> Duration {
        let start = Instant::now();
        join_all(all.iter().map(async |endpoint| {
            for _ in 0..turns {
                drop(paces.turn(endpoint).await);
            }
        }))
        .await;
        start.elapsed()
    }

    #[tokio::test]
    async fn all_that_dial_one_address_and_port_share_its_rate() {
        let ms = Duration::from_millis;
        let one = rated("20/s");
        let other_name = Endpoint { server_name: "b.test".parse().unwrap(), ..one.clone() };
        // The first turn is at once, and then one every 50 ms.
        assert!(takes(&Paces::default(), std::slice::from_ref(&one), 6).await >= ms(250));
        assert!(takes(&Paces::default(), &[one.clone(), other_name], 6).await >= ms(550));
        // Other listeners have their own: 24 turns at one would take 1.15 s.
        let port = Endpoint { port: 8443, ..one.clone() };
        let through = |host: &str| one.with_client(|client| client.through = Some(host.parse().unwrap()));
        let apart = [one.clone(), port, through("web01"), through("web02")];
        let apart = takes(&Paces::default(), &apart, 6).await;
        assert!(apart >= ms(250) && apart < ms(1_100), "{apart:?}");
        let free = takes(&Paces::default(), &[endpoint()], 1_000).await;
        assert!(free < ms(250), "{free:?}");
    }

    #[tokio::test]
    async fn who_no_longer_waits_takes_no_turn_and_a_turn_lasts_until_it_is_given_back() {
        let (paces, one) = (Paces::default(), rated("20/s"));
        let first = paces.turn(&one).await;
        let waited = tokio::time::timeout(Duration::from_millis(200), paces.turn(&one)).await;
        assert!(waited.is_err(), "the first one is not over");
        drop(first);
        let start = Instant::now();
        drop(paces.turn(&one).await);
        assert!(start.elapsed() < Duration::from_millis(50), "its time was over before");
    }
}
