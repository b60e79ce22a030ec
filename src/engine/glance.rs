//! A handshake with whoever answers: no SSH, nothing expected.

use super::ports::Prober;
use super::probe::{HANDSHAKE, places};
use crate::verify::{Endpoint, Observation};

/// What an endpoint serves, at each of its addresses.
pub async fn glance<P: Prober>(endpoint: Endpoint, prober: &P) -> Vec<(Endpoint, Observation)> {
    let mut seen = Vec::new();
    for place in places(prober, &[endpoint]).await {
        let observed = match prober.dial(&place.address, place.port, HANDSHAKE).await {
            Ok(stream) => prober.handshake(stream, &place, HANDSHAKE).await,
            Err(reason) => Observation::Unreachable(reason),
        };
        seen.push((place, observed));
    }
    seen
}
