//! Certificates that certwave never issued, where they appeared after a switch: one host's own trouble, or something that stands
//! before many.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ServiceName;
use crate::plan::{HostIndex, HostRange};

/// The hosts where one appeared, in their last try.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Foreign {
    /// The services that showed it.
    hosts: BTreeMap<HostIndex, Vec<ServiceName>>,
    last: Option<HostIndex>,
}

impl Foreign {
    pub(super) fn note(&mut self, host: HostIndex, services: &[ServiceName]) {
        self.hosts.insert(host, services.to_vec());
        self.last = Some(host);
    }

    /// The host has another turn.
    pub(super) fn forget(&mut self, host: HostIndex) {
        self.hosts.remove(&host);
    }

    /// The host where one appeared last, if they stop this wave, of which so many hosts may fail: they are on more hosts of it than
    /// that, or in two services, or not in this wave alone.
    pub(super) fn stops(&self, wave: HostRange, may_fail: usize) -> Option<HostIndex> {
        let here = self.hosts.range(wave.start..wave.end).count();
        let services: BTreeSet<&ServiceName> = self.hosts.values().flatten().collect();
        let is_common = services.len() > 1 || self.hosts.len() > here;
        self.last.filter(|_| here > may_fail || (here > 0 && is_common))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(hosts: &[(usize, &[&str])]) -> Foreign {
        let mut foreign = Foreign::default();
        for (host, services) in hosts {
            let services: Vec<ServiceName> = services.iter().map(|name| name.parse().unwrap()).collect();
            foreign.note(HostIndex::new(*host), &services);
        }
        foreign
    }

    #[test]
    fn one_host_is_its_own_trouble_and_more_are_not() {
        let wave = HostRange { start: HostIndex::new(2), end: HostIndex::new(6) };
        let stops = |hosts: &[(usize, &[&str])], may| foreign(hosts).stops(wave, may).is_some();
        let (nginx, haproxy): (&[&str], &[&str]) = (&["nginx"], &["haproxy"]);
        for (hosts, may, expected) in [
            (&[][..], 0, false),
            (&[(2, nginx)], 0, true),
            (&[(2, nginx)], 1, false),
            (&[(2, nginx), (5, nginx)], 1, true),
            (&[(2, nginx), (5, nginx)], 2, false),
            // In two services, of two hosts or of one.
            (&[(2, nginx), (5, haproxy)], 2, true),
            (&[(2, &["nginx", "haproxy"])], 1, true),
            // In two waves; and in one that is over.
            (&[(1, nginx), (5, nginx)], 2, true),
            (&[(1, nginx)], 0, false),
            (&[(6, nginx)], 0, false),
            (&[(0, nginx), (1, haproxy)], 0, false),
            // Journals of older releases do not say which service it was.
            (&[(2, &[])], 1, false),
            (&[(2, &[]), (3, &[])], 1, true),
        ] {
            assert_eq!(stops(hosts, may), expected, "{hosts:?}, {may} may fail");
        }
    }

    #[test]
    fn the_last_one_is_named_and_another_turn_begins_without_it() {
        let wave = HostRange { start: HostIndex::new(0), end: HostIndex::new(6) };
        let mut all = foreign(&[(5, &["nginx"]), (2, &["nginx"])]);
        assert_eq!(all.stops(wave, 1), Some(HostIndex::new(2)));
        all.forget(HostIndex::new(5));
        assert_eq!(all.stops(wave, 1), None);
    }
}
