//! Handshakes against endpoints, until they prove something.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::model::ServiceName;
use crate::plan::HostPlan;
use crate::ports::{Clock, Connection, Prober};
use crate::verify::{Endpoint, EndpointState, Expectation, Judgement, Observation, Via, judge};

/// So many answers in a row show that a flaw of the new certificate is there to stay.
const FLAWED: u32 = 3;
/// A run is doubled this often at most for an endpoint that went back on what it showed.
const DOUBLED: u32 = 2;
/// For one connection and handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(5);
/// Between two handshakes of a proof.
const PAUSE: Duration = Duration::from_millis(50);

/// Where a service is proven, each address by itself: a name that leads to several is dialled at all of them.
/// The host resolves for itself what is dialled through it.
pub(crate) async fn places<P: Prober>(prober: &P, endpoints: &[Endpoint]) -> Vec<Endpoint> {
    let mut places = Vec::new();
    for endpoint in endpoints {
        let addresses = match endpoint.via {
            Via::Direct => prober.resolve(&endpoint.address).await.unwrap_or_default(),
            Via::Ssh => Vec::new(),
        };
        if addresses.is_empty() {
            // Dialling it will say why.
            places.push(endpoint.clone());
        }
        let at = |address: IpAddr| Endpoint { address: address.to_string(), ..endpoint.clone() };
        places.extend(addresses.into_iter().map(at));
    }
    places
}

/// One handshake, from where the endpoint says.
pub(crate) async fn observe<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    endpoint: &Endpoint,
) -> Observation {
    prober.handshake(|| dial(prober, connection, endpoint), endpoint, HANDSHAKE).await
}

/// A connection to an endpoint.
pub(crate) async fn dial<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    endpoint: &Endpoint,
) -> Result<crate::ports::BoxedStream, String> {
    match (endpoint.via, connection) {
        (Via::Direct, _) => prober.dial(&endpoint.address, endpoint.port, HANDSHAKE).await,
        (Via::Ssh, Some(connection)) => {
            connection.tunnel(&endpoint.address, endpoint.port).await.map_err(|error| error.reason)
        }
        (Via::Ssh, None) => Err("there is no SSH connection to dial through".to_owned()),
    }
}

/// What one endpoint of a service showed.
pub(crate) type Shown = (ServiceName, Endpoint, Observation);

/// What a proof wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The new certificate, without a finding.
    New,
    /// The one from before.
    Previous,
}

/// Handshakes until enough in a row show what is wanted, or the time is up. Where answers go back and forth,
/// as behind a load balancer, a run may be luck: a longer one is wanted then. Where old processes may linger, a run
/// that is quicker than they are would be luck, too: there is a pause after each answer.
///
/// # Errors
/// With the last judgement that was not what was wanted.
pub(crate) async fn prove<C: Connection, P: Prober>(
    (prober, connection, clock): (&P, Option<&Arc<C>>, &impl Clock),
    endpoint: &Endpoint,
    expected: &Expectation,
    (wanted, answers, linger): (Aim, u32, bool),
    until: Timestamp,
) -> Result<(), Judgement> {
    let (mut run, mut flawed) = (Streak::of(answers), 0);
    loop {
        let observed = observe(prober, connection, endpoint).await;
        let judgement = judge(expected, &observed, clock.now());
        let as_wanted = match wanted {
            Aim::New => judgement.is_good(),
            Aim::Previous => {
                judgement.state == EndpointState::Previous || expected.stays && judgement.is_good()
            }
        };
        if run.saw(as_wanted) {
            return Ok(());
        }
        if as_wanted {
            flawed = 0;
            if linger {
                clock.sleep(PAUSE).await;
            }
            continue;
        }
        // The new certificate with a flaw does not heal by waiting.
        flawed = if judgement.state == EndpointState::New { flawed + 1 } else { 0 };
        if flawed >= FLAWED && wanted == Aim::New || clock.now() >= until {
            return Err(judgement);
        }
        clock.sleep(PAUSE).await;
    }
}

/// How the proof of one endpoint ended.
#[derive(Debug)]
pub struct Proof {
    /// The service that it belongs to.
    pub service: ServiceName,
    /// What was dialled.
    pub endpoint: Endpoint,
    /// Proven; else the last judgement that was not what was wanted.
    pub result: Result<(), Judgement>,
}

/// Every endpoint of a host, at the same time.
pub(crate) async fn prove_all<C: Connection, P: Prober>(
    world: (&P, Option<&Arc<C>>, &impl Clock),
    plan: &HostPlan,
    expected: impl Fn(&Endpoint) -> Expectation,
    wanted: Aim,
    until: Timestamp,
) -> Vec<Proof> {
    let mut proofs = Vec::new();
    for service in &plan.services {
        for endpoint in places(world.0, &service.endpoints).await {
            let expected = expected(&endpoint);
            proofs.push(async move {
                let how = (wanted, plan.answers, service.spec.may_linger());
                let result = prove(world, &endpoint, &expected, how, until).await;
                Proof { service: service.name.clone(), endpoint, result }
            });
        }
    }
    join_all(proofs).await
}

/// Answers in a row.
struct Streak {
    /// So many are enough.
    answers: u32,
    good: u32,
    relapses: u32,
}

impl Streak {
    fn of(answers: u32) -> Self {
        Self { answers, good: 0, relapses: 0 }
    }

    /// Whether it is long enough with this answer.
    fn saw(&mut self, as_wanted: bool) -> bool {
        if as_wanted {
            self.good += 1;
            return self.good >= self.answers << self.relapses.min(DOUBLED);
        }
        self.relapses += u32::from(self.good > 0);
        self.good = 0;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many answers it is proven; `+` is one as wanted, the last is repeated.
    fn after(answers: u32, seen: &str) -> usize {
        let mut run = Streak::of(answers);
        let all = seen.chars().chain(std::iter::repeat_n(seen.chars().last().unwrap_or('-'), 100));
        all.map(|one| run.saw(one == '+')).position(|proven| proven).map_or(0, |at| at + 1)
    }

    #[test]
    fn answers_that_go_back_need_a_longer_run() {
        assert_eq!(after(3, "+++"), 3);
        // Old answers that end are what a reload looks like.
        assert_eq!(after(3, "-----+++"), 8);
        assert_eq!(after(3, "++-+++"), 3 + 6);
        assert_eq!(after(3, "+-+-+-+"), 6 + 12);
        assert_eq!(after(1, "-+"), 2);
        assert_eq!(after(3, "++-"), 0);
    }
}
