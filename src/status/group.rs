//! Hosts that are alike are told as one.

use std::collections::HashMap;

use crate::model::HostName;
use crate::status::compare::EndpointStatus;

/// Hosts that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlikeHosts<'r> {
    /// Which, in the order of the rows.
    pub hosts: Vec<&'r HostName>,
    /// The rows of the first of them, those that say the same left out.
    pub rows: Vec<&'r EndpointStatus>,
}

/// What a row says but for its host and address.
#[derive(PartialEq, Eq, Hash)]
struct Comparable<'r>(
    &'r str,
    u16,
    &'r str,
    Option<crate::certificate::KeyAlgorithm>,
    Option<crate::model::Fingerprint>,
    Option<&'r str>,
);

fn said(row: &EndpointStatus) -> Comparable<'_> {
    Comparable(
        row.service.as_str(),
        row.endpoint.port,
        row.endpoint.server_name.as_str(),
        row.endpoint.key,
        row.served.as_ref().map(|leaf| leaf.fingerprint_sha256),
        row.memory.as_ref().map(|held| held.serial.as_str()),
    )
}

/// The hosts, those that are alike together; after them those that differ from what they should be, together where they
/// differ in the same way. The rows of one host follow each other.
pub fn group(rows: &[EndpointStatus]) -> Vec<AlikeHosts<'_>> {
    let mut groups: Vec<AlikeHosts<'_>> = Vec::new();
    let mut differing: Vec<AlikeHosts<'_>> = Vec::new();
    let mut known: HashMap<Vec<Comparable<'_>>, usize> = HashMap::new();
    let mut known_to_differ: HashMap<Vec<(Comparable<'_>, Option<String>)>, usize> = HashMap::new();
    for of_host in rows.chunk_by(|one, next| one.host == next.host) {
        let host = &of_host[0].host;
        if of_host.iter().any(|row| !row.drifts.is_empty()) {
            let how = of_host.iter().map(|row| (said(row), row.words())).collect();
            let at = *known_to_differ.entry(how).or_insert_with(|| {
                differing.push(AlikeHosts { hosts: Vec::new(), rows: of_host.iter().collect() });
                differing.len() - 1
            });
            differing[at].hosts.push(host);
            continue;
        }
        let mut alike = Vec::new();
        let mut kept = Vec::new();
        for row in of_host {
            let said = said(row);
            if !alike.contains(&said) {
                alike.push(said);
                kept.push(row);
            }
        }
        match known.get(&alike) {
            Some(at) => groups[*at].hosts.push(host),
            None => {
                known.insert(alike, groups.len());
                groups.push(AlikeHosts { hosts: vec![host], rows: kept });
            }
        }
    }
    groups.extend(differing);
    groups
}
