//! Handshakes against endpoints, until they prove something.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::install::{Listener, has_one_master};
use crate::model::{ServiceName, later};
use crate::plan::HostPlan;
use crate::ports::{Clock, Connection, Prober};
use crate::rollout::Baseline;
use crate::verify::{Endpoint, EndpointState, Expectation, Judgement, Observation, Via, judge};

/// So many answers in a row show that a flaw of the new certificate is there to stay, or that nobody answers.
const FLAWED: u32 = 3;
/// So many answers in a row are wanted where more than one server may answer: if one in five is old, a run of new ones is as
/// long less than once in 1,000 times (0.8 to the power of 31).
pub(crate) const MANY: u32 = 31;
/// A listener that outlives a reload and answers nobody for so long is broken.
const BROKEN: Duration = Duration::from_secs(3);
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

/// How an endpoint is to be proven.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) wanted: Aim,
    /// So many answers in a row, where one server is known to answer.
    pub(crate) answers: u32,
    /// Old processes may linger.
    pub(crate) linger: bool,
    /// It answered before the switch, by a listener that outlives a reload: a server that answers nobody now is broken, and
    /// not late.
    pub(crate) outlives: bool,
    /// What others saw there meanwhile: answers that are not the new certificate's, one after the other.
    pub(crate) contrary: AnswerCount,
    /// The new certificate's answers, this proof's among them.
    pub(crate) agreed: AnswerCount,
}

/// Counts answers of one kind at an endpoint, from the confirmed reload on. An availability probe and a proof share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerCount(Arc<AtomicUsize>);

impl AnswerCount {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
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
    Demand { wanted, answers, linger, outlives, contrary, agreed }: Demand,
    until: Timestamp,
) -> Result<(), Judgement> {
    let (mut run, mut flawed) = (Streak::of(answers), 0);
    let mut others = contrary.count();
    let mut silent: Option<(Timestamp, u32)> = None;
    loop {
        let begun = clock.now();
        let observed = observe(prober, connection, endpoint).await;
        let judgement = judge(expected, &observed, clock.now());
        let as_wanted = match wanted {
            Aim::New => judgement.is_good(),
            Aim::Previous => {
                judgement.state == EndpointState::Previous || expected.stays && judgement.is_good()
            }
        };
        if as_wanted {
            agreed.add();
        }
        let seen = contrary.count();
        if seen != others && wanted == Aim::New {
            others = seen;
            run.saw(false);
        }
        if run.saw(as_wanted) {
            return Ok(());
        }
        if as_wanted {
            (flawed, silent) = (0, None);
            if linger {
                clock.sleep(PAUSE).await;
            }
            continue;
        }
        silent =
            judgement.leaf.is_none().then(|| silent.map_or((begun, 1), |(since, times)| (since, times + 1)));
        // One handshake alone may be lost on the way, which takes longer.
        let is_broken = |(since, times)| times >= FLAWED && clock.now() >= later(since, BROKEN);
        if outlives && wanted == Aim::New && silent.is_some_and(is_broken) {
            return Err(judgement);
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
    /// Whether the service is asked for several names.
    pub is_one_of_several_names: bool,
    /// Proven; else the last judgement that was not what was wanted.
    pub result: Result<(), Judgement>,
}

impl Proof {
    /// The endpoint for people: with the name, where several are asked for.
    pub fn place(&self) -> String {
        match self.is_one_of_several_names {
            true => format!("{} at {} for {}", self.service, self.endpoint, self.endpoint.server_name),
            false => format!("{} at {}", self.service, self.endpoint),
        }
    }
}

/// What is known of a host when it is proven.
#[derive(Clone, Copy)]
pub(crate) struct KnownBefore<'a> {
    /// The sockets that it is known to listen at.
    pub(crate) listeners: &'a [Listener],
    /// What its endpoints showed.
    pub(crate) baseline: &'a Baseline,
    /// Whether they were looked at before a switch, so that silence was noted.
    pub(crate) was_switched: bool,
}

/// So many proofs of a host run at the same time.
const PROOFS: usize = 16;

/// Every endpoint of a host, for every name that it serves, at the same time; each has the same patience. `others` are what is
/// seen at an endpoint besides: answers that are not the new certificate's, and its own.
pub(crate) async fn prove_all<C: Connection, P: Prober>(
    world: (&P, Option<&Arc<C>>, &impl Clock),
    plan: &HostPlan,
    KnownBefore { listeners, baseline, was_switched }: KnownBefore<'_>,
    expected: impl Fn(&Endpoint) -> Expectation,
    others: impl Fn(&Endpoint) -> (AnswerCount, AnswerCount),
    (wanted, patience): (Aim, Duration),
) -> Vec<Proof> {
    let mut proofs = Vec::new();
    for (number, service) in plan.services.iter().enumerate() {
        for planned in &service.endpoints {
            let there = places(world.0, std::slice::from_ref(planned)).await;
            // A name with several addresses is of several hosts, or may be.
            let is_here = plan.is_here(planned) && there.len() == 1;
            for place in there {
                let address = place.address.parse().ok();
                let one = is_here && has_one_master(listeners, number, address, place.port);
                // Who answers there is known by one name: of the others, the usual number shows what each is answered with.
                let mut answers = if one { plan.answers } else { plan.answers.max(MANY) };
                let linger = service.spec.may_linger();
                for endpoint in service.for_every_name(&place) {
                    if baseline.is_elsewhere(&service.name, &planned.address, &endpoint) {
                        continue;
                    }
                    let expected = expected(&endpoint);
                    let answered = was_switched && !baseline.was_silent(&service.name, &endpoint);
                    let outlives = answered && service.spec.keeps_listening();
                    let (contrary, agreed) = others(&endpoint);
                    let demand = Demand { wanted, answers, linger, outlives, contrary, agreed };
                    answers = plan.answers;
                    proofs.push(async move {
                        let until = later(world.2.now(), patience);
                        let result = prove(world, &endpoint, &expected, demand, until).await;
                        let is_one_of_several_names = !service.other_names.is_empty();
                        Proof { service: service.name.clone(), endpoint, is_one_of_several_names, result }
                    });
                }
            }
        }
    }
    stream::iter(proofs).buffered(PROOFS).collect().await
}

/// Answers in a row.
struct Streak {
    /// So many are enough.
    answers: u32,
    good: u32,
}

impl Streak {
    fn of(answers: u32) -> Self {
        Self { answers, good: 0 }
    }

    /// Whether it is long enough with this answer.
    fn saw(&mut self, as_wanted: bool) -> bool {
        if as_wanted {
            self.good += 1;
            return self.good >= self.answers;
        }
        if self.good > 0 {
            self.answers = self.answers.max(MANY);
        }
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
        assert_eq!(after(3, "++-+++"), 3 + 31);
        assert_eq!(after(3, "+-+-+-+"), 6 + 31);
        assert_eq!(after(50, "+-+"), 2 + 50);
        assert_eq!(after(1, "-+"), 2);
        assert_eq!(after(3, "++-"), 0);
    }
}
