//! One host: what was seen of it, against what it should be.

mod named;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use openssl::sha::sha256;
use serde::Serialize;

use crate::certificate::{Certificate, ChainSet, Leaf, parse_pem};
use crate::install::{LinkState, Live, OnDisk};
use crate::model::{Fingerprint, HostName, HostPath, Serial, ServiceName, Version};
use crate::plan::{HostPlan, PlannedService};
use crate::service;
use crate::status::drift::Drift;
use crate::status::reading::{HostReading, Inside};
use crate::verify::{
    Endpoint, EndpointState, Expectation, Finding, Judgement, Observation, Switched, Via, elsewhere, judge,
};

/// What should be served.
#[derive(Debug, Clone)]
pub struct ExpectedVersion {
    /// The version that should be there.
    pub set: ChainSet,
    /// The leaves of everything in the store.
    pub known: BTreeSet<Fingerprint>,
    /// The leaves of this certificate's versions.
    pub own: BTreeMap<Fingerprint, Version>,
}

impl ExpectedVersion {
    /// What an endpoint should show.
    pub fn expected(&self, endpoint: &Endpoint) -> Expectation {
        Expectation {
            stays: false,
            chain: self.set.of(endpoint.key).iter().map(|one| one.fingerprint).collect(),
            server_name: endpoint.server_name.clone(),
            previous: Vec::new(),
            known: self.known.clone(),
        }
    }
}

/// What should be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLeaf {
    /// Its version in the store.
    pub version: Version,
    /// Its leaf.
    pub leaf: Leaf,
}

/// A certificate in a server's memory; its fingerprint only where it is one of those that were seen elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InMemory {
    /// The SHA-256 of its encoding.
    pub fingerprint_sha256: Option<Fingerprint>,
    /// Its serial number.
    pub serial: Serial,
    /// When it expires.
    pub not_after: Option<Timestamp>,
}

/// One endpoint of one service of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Which host.
    pub host: HostName,
    /// Which service.
    pub service: ServiceName,
    /// Where it is served.
    pub endpoint: Endpoint,
    /// How what is served stands to what should be: `New` is that.
    pub state: EndpointState,
    /// What is served, where that is a certificate.
    pub served: Option<Leaf>,
    /// What is on disk.
    pub file: Option<Leaf>,
    /// What is in memory, where the server says that. Of several processes, the first that differs from what is
    /// served.
    pub memory: Option<InMemory>,
    /// What should be served.
    pub store: StoredLeaf,
    /// Whole days until what is served expires; below zero where it has.
    pub days_left: Option<i64>,
    /// So many processes of the service still serve what they read before a reload, to connections that they have.
    pub old_workers: u32,
    /// How it differs. None: all is as it should be.
    pub drifts: Vec<Drift>,
    /// It was asked for another of the certificate's names than the first.
    pub other_name: bool,
    /// It answers this name of the certificate with something else, and others with the certificate. That is no difference:
    /// hosts may share a certificate.
    pub elsewhere: bool,
}

impl EndpointStatus {
    /// Whether it serves what it should, without a finding.
    pub fn serves(&self) -> bool {
        self.elsewhere
            || self.state == EndpointState::New
                && !self.drifts.iter().any(|drift| matches!(drift, Drift::Finding(_)))
    }

    /// What is wrong, in words; none where nothing is.
    pub fn words(&self) -> Option<String> {
        let all: Vec<String> = self.drifts.iter().map(ToString::to_string).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Every endpoint of a host.
pub fn compare(
    plan: &HostPlan,
    reading: &HostReading,
    wanted: &ExpectedVersion,
    now: Timestamp,
) -> Vec<EndpointStatus> {
    let disk = Disk::of(reading.inside.as_ref().ok());
    let host = host_drifts(plan, reading, wanted);
    let mut rows = Vec::new();
    for (at, (service, observed)) in plan.services.iter().zip(&reading.observed).enumerate() {
        let memory = reading.inside.as_ref().ok().and_then(|inside| inside.memory.get(at));
        let elsewhere = names_elsewhere(service, observed, wanted, &disk);
        for ((endpoint, observed), elsewhere) in observed.iter().zip(elsewhere) {
            // Nobody asks for a name that certwave made up.
            if elsewhere && endpoint.server_name.is_probe() {
                continue;
            }
            let chain = wanted.set.of(endpoint.key);
            let judgement = judge(&wanted.expected(endpoint), observed, now);
            let file = disk.file(endpoint);
            let held = held(memory, endpoint, judgement.leaf.as_ref());
            // Where a path leads elsewhere, the server does not read what is live.
            let read = file.filter(|_| !host.iter().any(|drift| matches!(drift, Drift::PathsElsewhere(_))));
            // What is dialled through the host is not known without it.
            let mut drifts = match (endpoint.via, &reading.inside) {
                (Via::Ssh, Err(_)) => Vec::new(),
                _ => endpoint_drifts(&judgement, (&chain[0], &wanted.own), read, held, endpoint, now),
            };
            drifts.extend_from_slice(&host);
            drifts.extend(named::drifts(service, endpoint, disk_of(reading), at, memory));
            if let Some(Err(reason)) = memory {
                drifts.push(Drift::MemoryUnreadable(reason.clone()));
            }
            drifts.retain(|_| !elsewhere);
            let near = [judgement.leaf.as_ref(), file, Some(&chain[0])];
            let served = match observed {
                Observation::Served(served) => Leaf::of_served(&served.chain),
                _ => None,
            };
            let stored = Leaf::of_chain(chain).unwrap_or_else(|| Leaf::from(&chain[0]));
            rows.push(EndpointStatus {
                host: plan.login.host.clone(),
                service: service.name.clone(),
                endpoint: endpoint.clone(),
                state: judgement.state,
                days_left: served.as_ref().map(|leaf| days_left(leaf.expires(), now)),
                served,
                file: file.map(Leaf::from),
                memory: held.map(|held| known_as(held, &near)),
                store: StoredLeaf { version: wanted.set.version().clone(), leaf: stored },
                old_workers: old_workers(reading, at),
                drifts,
                other_name: service.other_names.contains(&endpoint.server_name),
                elsewhere,
            });
        }
    }
    rows
}

/// Which of a service's handshakes asked for names that it answers with something else than this certificate.
fn names_elsewhere(
    service: &PlannedService,
    observed: &[(Endpoint, Observation)],
    wanted: &ExpectedVersion,
    disk: &Disk,
) -> Vec<bool> {
    let leaf = |observed: &Observation| match observed {
        Observation::Served(served) => served.chain.first().map(|leaf| Fingerprint::new(sha256(leaf))),
        _ => None,
    };
    let shown: Vec<_> = observed.iter().map(|(endpoint, observed)| (endpoint, leaf(observed))).collect();
    let on_disk = disk.0.iter().map(|leaf| leaf.fingerprint);
    let switched = wanted.own.keys().copied().chain(on_disk).collect();
    elsewhere(&service.other_names, &shown, Switched::Leaves(&switched))
}

fn disk_of(reading: &HostReading) -> Option<&OnDisk> {
    reading.inside.as_ref().ok()?.disk.as_ref().ok()
}

fn old_workers(reading: &HostReading, service: usize) -> u32 {
    let old = disk_of(reading).into_iter().flat_map(|disk| &disk.old);
    old.filter(|one| one.service == service).map(|one| one.count).sum()
}

/// Whole days, rounded down: one that expired an hour ago has -1 left.
pub(crate) fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    (not_after.as_second() - now.as_second()).div_euclid(86_400)
}

/// The leaves that are active on a disk.
struct Disk(Vec<Certificate>);

impl Disk {
    fn of(inside: Option<&Inside>) -> Self {
        let disk = inside.and_then(|inside| inside.disk.as_ref().ok());
        let active = disk.map(|disk| disk.active.as_slice()).unwrap_or_default();
        // What cannot be read is no certificate: the manifest tells that it is damaged.
        Self(active.iter().filter_map(|pem| parse_pem(pem.as_bytes()).ok()?.into_iter().next()).collect())
    }

    fn file(&self, endpoint: &Endpoint) -> Option<&Certificate> {
        self.0.iter().find(|file| endpoint.key.is_none() || file.key_algorithm() == endpoint.key)
    }
}

/// What a service holds for an endpoint. Of several processes, one that differs from what is served is told first. Where a kind of
/// key is asked for, a certificate whose kind is not told is taken for it only if it is the one that is served.
fn held<'m>(
    memory: Option<&'m Result<service::Holds, String>>,
    endpoint: &Endpoint,
    served: Option<&Certificate>,
) -> Option<&'m service::Held> {
    let all = &memory?.as_ref().ok()?.certificates;
    let of_key = || all.iter().filter(|held| endpoint.key.is_none() || held.algorithm == endpoint.key);
    let is_served = |held: &&service::Held| served.is_some_and(|served| held.is(served));
    let untold = || all.iter().filter(|held| held.algorithm.is_none()).find(is_served);
    of_key().find(|held| served.is_some() && !is_served(held)).or_else(|| of_key().next()).or_else(untold)
}

fn known_as(held: &service::Held, near: &[Option<&Certificate>]) -> InMemory {
    let known = near.iter().flatten().find(|certificate| held.is(certificate));
    InMemory {
        fingerprint_sha256: known.map(|certificate| certificate.fingerprint),
        serial: held.serial.clone(),
        not_after: held.not_after,
    }
}

/// What differs for the host as a whole.
fn host_drifts(plan: &HostPlan, reading: &HostReading, wanted: &ExpectedVersion) -> Vec<Drift> {
    match &reading.inside {
        Err(reason) => vec![Drift::NoLogin(reason.clone())],
        Ok(Inside { disk: Err(reason), .. }) => vec![Drift::DiskUnreadable(reason.clone())],
        Ok(Inside { disk: Ok(disk), .. }) => disk_drifts(plan, disk, wanted),
    }
}

fn disk_drifts(plan: &HostPlan, disk: &OnDisk, wanted: &ExpectedVersion) -> Vec<Drift> {
    let mut drifts = Vec::new();
    let live = match &disk.live {
        Live::Missing => return vec![Drift::NotInstalled],
        Live::Foreign => return vec![Drift::ForeignLink],
        Live::Version(live) => live,
    };
    if live != wanted.set.version() {
        let put_back = disk.fired.as_ref().is_some_and(|fired| fired.previous == *live);
        drifts.push(Drift::LinkElsewhere { to: live.clone(), put_back });
    }
    if disk.damaged {
        drifts.push(Drift::Damaged);
    }
    if let Some(armed) = disk.armed.as_ref().filter(|armed| armed.target == *live) {
        drifts.push(Drift::Unconfirmed { back_to: armed.previous.clone(), guard: armed.guard });
    }
    let links = plan.install.links.iter().map(|(path, _)| path).zip(&disk.links);
    let copies = plan.install.copies.iter().map(|copy| &copy.path).zip(&disk.copies);
    let fits = |state: &LinkState| matches!(state, LinkState::Ours | LinkState::Kept);
    let strays = links.chain(copies).filter(|(_, state)| !fits(state));
    let strays: Vec<HostPath> = strays.map(|(path, _)| path.clone()).collect();
    drifts.extend((!strays.is_empty()).then_some(Drift::PathsElsewhere(strays)));
    drifts
}

/// What differs for an endpoint: first how what is served came about, then what is wrong with it.
fn endpoint_drifts(
    judgement: &Judgement,
    (wanted, own): (&Certificate, &BTreeMap<Fingerprint, Version>),
    file: Option<&Certificate>,
    held: Option<&service::Held>,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Vec<Drift> {
    let reason = || judgement.reason.clone().unwrap_or_default();
    let Some(leaf) = &judgement.leaf else {
        return vec![match judgement.state {
            EndpointState::Unreachable => Drift::NoAnswer(reason()),
            _ => Drift::NotTls(reason()),
        }];
    };
    let mut drifts = Vec::new();
    let served = leaf.fingerprint.short();
    if let Some(file) = file.filter(|file| file.fingerprint != leaf.fingerprint) {
        let name = file.fingerprint.short();
        drifts.push(match leaf.fingerprint == wanted.fingerprint {
            true => Drift::DiskBehind { file: name },
            false => Drift::NotReloaded { served: served.clone(), file: name },
        });
    }
    if let Some(held) = held.filter(|held| !held.is(leaf)) {
        drifts.push(Drift::MemoryElsewhere { held: held.serial.clone(), served: served.clone() });
    }
    let names = leaf.names.join(", ");
    match judgement.state {
        EndpointState::Unknown => {
            drifts.push(Drift::Foreign { served, names, issuer: leaf.issuer.clone() });
        }
        // A reload that did not happen says it all.
        EndpointState::Known | EndpointState::Previous
            if !drifts.iter().any(|drift| matches!(drift, Drift::NotReloaded { .. })) =>
        {
            drifts.push(Drift::Other { version: own.get(&leaf.fingerprint).cloned(), served, names });
        }
        _ => {}
    }
    let findings = match judgement.state {
        EndpointState::New => judgement.findings.clone(),
        _ => lasting_findings(leaf, endpoint, now),
    };
    drifts.extend(findings.into_iter().map(Drift::Finding));
    drifts
}

/// What is wrong with a certificate, whoever issued it.
fn lasting_findings(leaf: &Certificate, endpoint: &Endpoint, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !leaf.covers(&endpoint.server_name) {
        findings.push(Finding::WrongName { wanted: endpoint.server_name.to_string() });
    }
    if leaf.not_after <= now {
        findings.push(Finding::Expired(leaf.not_after));
    } else if leaf.not_before > now {
        findings.push(Finding::NotYetValid(leaf.not_before));
    }
    findings
}

#[cfg(test)]
mod tests;
