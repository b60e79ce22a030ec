//! A handshake with whoever answers: no SSH, nothing expected.

use crate::engine::handshake::prove::{HANDSHAKE, places};
use crate::ports::Prober;
use crate::verify::{Endpoint, Observation};

/// What an endpoint serves, at each of its addresses.
pub async fn scan<P: Prober>(endpoint: Endpoint, prober: &P) -> Vec<(Endpoint, Observation)> {
    let mut seen = Vec::new();
    for place in places(prober, &[endpoint]).await {
        let dial = || prober.dial(&place.address, place.port, HANDSHAKE);
        let observed = prober.handshake(dial, &place, HANDSHAKE).await;
        seen.push((place, observed));
    }
    seen
}
