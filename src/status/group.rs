//! Hosts that are alike are told as one.

use std::collections::HashMap;

use super::compare::Row;
use crate::model::HostName;

/// Hosts that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'r> {
    /// Which, in the order of the rows.
    pub hosts: Vec<&'r HostName>,
    /// The rows of the first of them, those that say the same left out.
    pub rows: Vec<&'r Row>,
}

/// What a row says but for its host and address.
#[derive(PartialEq, Eq, Hash)]
struct Said<'r>(
    &'r str,
    u16,
    &'r str,
    Option<crate::certificate::KeyAlgorithm>,
    Option<crate::model::Fingerprint>,
    Option<&'r str>,
);

fn said(row: &Row) -> Said<'_> {
    Said(
        row.service.as_str(),
        row.endpoint.port,
        row.endpoint.server_name.as_str(),
        row.endpoint.key,
        row.served.as_ref().map(|leaf| leaf.fingerprint_sha256),
        row.memory.as_ref().map(|held| held.serial.as_str()),
    )
}

/// The hosts, those that are alike together. A host that differs from what it should be stands alone, after all
/// others. The rows of one host follow each other.
pub fn group(rows: &[Row]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut differing: Vec<Group<'_>> = Vec::new();
    let mut known: HashMap<Vec<Said<'_>>, usize> = HashMap::new();
    for of_host in rows.chunk_by(|one, next| one.host == next.host) {
        let host = &of_host[0].host;
        if of_host.iter().any(|row| !row.drifts.is_empty()) {
            differing.push(Group { hosts: vec![host], rows: of_host.iter().collect() });
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
                groups.push(Group { hosts: vec![host], rows: kept });
            }
        }
    }
    groups.extend(differing);
    groups
}
