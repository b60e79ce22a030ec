//! Whether the time that a proof has is long enough for the handshakes that a rate allows.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::model::{HostName, format_duration};
use crate::plan::plan::HostPlan;
use crate::verify::{Endpoint, HandshakeRate};

/// So many answers are wanted where more than one server may answer, whatever `answers` says.
const MANY: u32 = 31;

/// A listener: the host through which it is dialled, its address and port.
type Place<'a> = (Option<&'a HostName>, &'a str, u16);

/// What a rate makes of a host's proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlowProof {
    /// The rate.
    pub(super) rate: HandshakeRate,
    /// The handshakes that have to do with one listener, from the first one to the last answer.
    pub(super) handshakes: u32,
    /// How long they take.
    pub(super) takes: Duration,
}

/// The slowest proof that a host may need; none where it has no rate.
///
/// Everybody takes turns: each endpoint's proof, and the availability probe of each. The last proof is over when all have had
/// as many turns as it needs answers, and one for what was there before the reload. `at_once` hosts are switched at a time:
/// they share what is not the address of one of them.
pub(super) fn slowest(host: &HostPlan, at_once: u32) -> Option<SlowProof> {
    let endpoints = || host.services.iter().flat_map(|service| &service.endpoints);
    let rated = endpoints().filter_map(|endpoint| Some((place(endpoint), endpoint.rate()?)));
    // Of two rates at one place, each handshake keeps its own.
    let mut places: HashMap<Place<'_>, HandshakeRate> = HashMap::new();
    for (place, rate) in rated {
        let slower = places.entry(place).or_insert(rate);
        if rate.interval() > slower.interval() {
            *slower = rate;
        }
    }
    let slow = places.into_iter().map(|(at, rate)| {
        let (mut proofs, mut probes) = (HashSet::new(), 0);
        for service in &host.services {
            let there = service.endpoints.iter().filter(|endpoint| place(endpoint) == at);
            probes += there.clone().filter(|endpoint| endpoint.key == service.endpoints[0].key).count();
            proofs.extend(there.flat_map(|endpoint| service.for_every_name(endpoint)));
        }
        let turns = u32::try_from(proofs.len() + probes).unwrap_or(u32::MAX);
        let hosts = if at.0.is_some() || at.1 == host.login.address { 1 } else { at_once.max(1) };
        let handshakes = host.answers.max(MANY).saturating_add(1).saturating_mul(turns).saturating_mul(hosts);
        SlowProof { rate, handshakes, takes: rate.takes(handshakes) }
    });
    slow.max_by_key(|slow| slow.takes)
}

fn place(endpoint: &Endpoint) -> Place<'_> {
    let through = endpoint.client.as_ref().and_then(|client| client.through.as_ref());
    (through, &endpoint.address, endpoint.port)
}

impl SlowProof {
    /// In words.
    pub(super) fn words(&self) -> String {
        let Self { rate, handshakes, takes } = self;
        format!(
            "at a `rate` of {rate}, the proof of a host may take {}: {handshakes} handshakes with one address and port",
            format_duration(*takes)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{first_host, resolved};

    /// How long the slowest proof of the first host takes, in handshakes and seconds.
    fn slow(verify: &str, at_once: u32) -> Option<(u32, u64)> {
        let slow = slowest(&first_host(&format!("verify: {{{verify}}}")), at_once)?;
        Some((slow.handshakes, slow.takes.as_secs()))
    }

    #[test]
    fn all_proofs_and_probes_of_one_listener_take_turns() {
        assert_eq!(slow("port: 443", 1), None);
        // One proof and one probe, 32 turns each.
        assert_eq!(slow("rate: 2/s", 1), Some((64, 32)));
        assert_eq!(slow("rate: 2/s, answers: 50", 1), Some((102, 51)));
        assert_eq!(slow("rate: 2/s, server_name: [a.test, b.test]", 1), Some((128, 64)));
        let names = |names: &str, verify: &str| {
            let host = first_host(&format!("certificate: {{domains: [{names}]}}\nverify: {{{verify}}}"));
            slowest(&host, 1).unwrap().handshakes
        };
        // Every name of the certificate may be served, and one of them is watched.
        assert_eq!(names("a.test, b.test, c.test", "rate: 2/s"), 32 * 4);
        assert_eq!(names("a.test, b.test, c.test", "rate: 2/s, server_name: a.test"), 32 * 2);
        // Each port is a listener of its own.
        assert_eq!(slow("rate: 2/s, port: [443, 8443]", 1), Some((64, 32)));
        // The host's own address is nobody else's; a balancer's is.
        assert_eq!(slow("rate: 2/s", 4), Some((64, 32)));
        assert_eq!(slow("rate: 2/s, addresses: lb.test", 4), Some((256, 128)));
        assert_eq!(slow("rate: 2/s, via: ssh", 4), Some((64, 32)));
    }

    #[test]
    fn a_proof_has_the_time_that_its_rate_needs() {
        let timeout = |verify: &str| first_host(&format!("verify: {{{verify}}}")).timeout.as_secs();
        assert_eq!((timeout("port: 443"), timeout("rate: 20/s"), timeout("rate: 1/s")), (30, 30, 74));
        assert_eq!(timeout("rate: 1/s, timeout: 2m"), 120);
        let dead_man = |verify: &str| first_host(&format!("verify: {{{verify}}}")).dead_man.unwrap();
        assert!(dead_man("rate: 1/s") > dead_man("port: 443"));
        let told = |sections: &str| resolved(sections).unwrap_err();
        let slow = "at a `rate` of 1/s, the proof of a host may take 1m4s: 64 handshakes with one address and port, and \
                    `timeout` is 30s";
        assert_eq!(told("verify: {rate: 1/s, timeout: 30s}"), [slow]);
        // A service's own counts, and is told once for all its hosts.
        let own =
            "services: [{hosts: all, nginx: {}, verify: {rate: 1/s}}]\nverify: {timeout: 30s, rate: 100/s}";
        assert_eq!(told(own), [slow]);
        let dead_man = "install: {dead_man: 60s}\nverify: {rate: 1/s}";
        assert_eq!(told(dead_man), ["`dead_man` is 1m, and a proof may take 1m14s"]);
        assert!(resolved("install: {dead_man: 2m}\nverify: {rate: 1/s}").is_ok());
    }
}
