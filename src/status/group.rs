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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::testing::World;

    /// The hosts of each group.
    fn grouped(worlds: Vec<World>) -> Vec<Vec<String>> {
        let named = worlds.into_iter().enumerate();
        let rows: Vec<EndpointStatus> =
            named.map(|(at, world)| world.named(&format!("web{}", at + 1)).row()).collect();
        let hosts = |group: AlikeHosts<'_>| group.hosts.iter().map(ToString::to_string).collect();
        group(&rows).into_iter().map(hosts).collect()
    }

    #[test]
    fn hosts_are_alike_that_serve_the_same_and_differ_in_the_same_way_and_those_that_differ_come_last() {
        let damaged = || World::new().disk(|disk| disk.damaged = true);
        let straying = || World::new().straying();
        let fleet = vec![
            damaged(),
            World::new(),
            straying(),
            damaged(),
            World::new(),
            World::new().holding(&["new"]),
        ];
        assert_eq!(grouped(fleet), [vec!["web2", "web5"], vec!["web6"], vec!["web1", "web4"], vec!["web3"]]);
    }

    #[test]
    fn a_host_with_one_row_that_differs_is_not_alike() {
        let mut rows = vec![World::new().row(), World::new().row(), World::new().named("web02").row()];
        rows[1].endpoint.port = 8443;
        rows[1].drifts = World::new().silent().row().drifts;
        let groups = group(&rows);
        let hosts: Vec<_> = groups.iter().map(|one| one.hosts[0].to_string()).collect();
        assert_eq!((hosts, groups[1].rows.len()), (vec!["web02".to_owned(), rows[0].host.to_string()], 2));
    }

    #[test]
    fn rows_that_say_the_same_are_told_once() {
        let mut rows = vec![World::new().row(), World::new().row()];
        rows[1].endpoint.address = "192.0.2.9".to_owned();
        assert_eq!(group(&rows)[0].rows.len(), 1);
        rows[1].endpoint.port = 8443;
        assert_eq!(group(&rows)[0].rows.len(), 2);
    }
}
