//! Handshakes against endpoints, until they prove something.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ports::{Clock, Connection, Prober};
use crate::verify::{Endpoint, EndpointState, Expectation, Judgement, Observation, Via, judge};

/// So many answers in a row are a proof: one new answer says little while old workers still accept.
pub(super) const IN_A_ROW: u32 = 3;
/// For one connection and handshake.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(5);
/// Between two handshakes of a proof.
const PAUSE: Duration = Duration::from_millis(50);

/// One handshake, from where the endpoint says.
pub(super) async fn observe<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    endpoint: &Endpoint,
) -> Observation {
    match dial(prober, connection, endpoint).await {
        Ok(stream) => prober.handshake(stream, &endpoint.server_name, HANDSHAKE).await,
        Err(reason) => Observation::Unreachable(reason),
    }
}

/// A connection to an endpoint.
pub(super) async fn dial<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    endpoint: &Endpoint,
) -> Result<super::ports::BoxedStream, String> {
    match (endpoint.via, connection) {
        (Via::Direct, _) => prober.dial(&endpoint.address, endpoint.port, HANDSHAKE).await,
        (Via::Ssh, Some(connection)) => {
            connection.tunnel(&endpoint.address, endpoint.port).await.map_err(|error| error.reason)
        }
        (Via::Ssh, None) => Err("there is no SSH connection to dial through".to_owned()),
    }
}

/// What a proof wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The new certificate, without a finding.
    New,
    /// The one from before.
    Previous,
}

/// Handshakes until enough in a row show what is wanted, or the time is up.
///
/// # Errors
/// With the last judgement that was not what was wanted.
pub(super) async fn prove<C: Connection, P: Prober>(
    (prober, connection, clock): (&P, Option<&Arc<C>>, &impl Clock),
    endpoint: &Endpoint,
    expected: &Expectation,
    wanted: Wanted,
    until: Timestamp,
) -> Result<(), Judgement> {
    let (mut good, mut flawed) = (0, 0);
    loop {
        let observed = observe(prober, connection, endpoint).await;
        let judgement = judge(expected, &observed, clock.now());
        let as_wanted = match wanted {
            Wanted::New => judgement.is_good(),
            Wanted::Previous => judgement.state == EndpointState::Previous,
        };
        if as_wanted {
            good += 1;
            flawed = 0;
            if good >= IN_A_ROW {
                return Ok(());
            }
            continue;
        }
        good = 0;
        // The new certificate with a flaw does not heal by waiting.
        flawed = if judgement.state == EndpointState::New { flawed + 1 } else { 0 };
        if flawed >= IN_A_ROW && wanted == Wanted::New || clock.now() >= until {
            return Err(judgement);
        }
        clock.sleep(PAUSE).await;
    }
}
