//! The names of a certificate that a host serves, and those that it leaves to others.

use std::collections::BTreeSet;

use crate::model::{DnsName, Fingerprint};
use crate::verify::Endpoint;

/// Whose leaves tell that a name is answered with what a rollout switches.
#[derive(Debug, Clone, Copy)]
pub enum Switched<'a> {
    /// These.
    Leaves(&'a BTreeSet<Fingerprint>),
    /// Nothing says what the service reads: a name is switched with the first one that is answered at its place, where the
    /// same certificate answers.
    AsTheFirst,
}

/// For each handshake of one service, whether it asked for a name that a rollout does not switch at this place.
///
/// Where no name is answered with what is switched, the one that is no `other` name has to be all the same: it is what a
/// playbook says that the host serves.
pub fn elsewhere(
    others: &[DnsName],
    shown: &[(&Endpoint, Option<Fingerprint>)],
    switched: Switched<'_>,
) -> Vec<bool> {
    if others.is_empty() {
        return vec![false; shown.len()];
    }
    let is_elsewhere = |(endpoint, _): &(&Endpoint, Option<Fingerprint>)| {
        let same_place = |other: &Endpoint| other.address == endpoint.address && other.port == endpoint.port;
        let here = || shown.iter().filter(|(other, _)| same_place(other));
        let first = here().find_map(|(_, leaf)| *leaf);
        let is_switched = |leaf: &Option<Fingerprint>| match switched {
            Switched::Leaves(leaves) => leaf.is_some_and(|leaf| leaves.contains(&leaf)),
            Switched::AsTheFirst => leaf.is_some() && *leaf == first,
        };
        let mut named = here().filter(|(_, leaf)| is_switched(leaf)).peekable();
        match named.peek() {
            Some(_) => !named.any(|(other, _)| other.server_name == endpoint.server_name),
            None => others.contains(&endpoint.server_name),
        }
    };
    shown.iter().map(is_elsewhere).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::KeyAlgorithm;
    use crate::verify::Via;

    /// What each name of `a.test` (the first), `b.test` and `c.test` shows at a port: `n` what is switched, `x` something else,
    /// `-` nothing; and whether each is elsewhere (`e`).
    fn marked(shown: &[(u16, &str)], knows: bool) -> Vec<String> {
        let names: Vec<DnsName> =
            ["a.test", "b.test", "c.test"].iter().map(|name| name.parse().unwrap()).collect();
        let leaf = |byte: u8| Fingerprint::new([byte; 32]);
        let mut asked = Vec::new();
        for (port, each) in shown {
            for (at, one) in each.chars().enumerate() {
                let server_name = names[at % 3].clone();
                let (address, via) = ("192.0.2.1".to_owned(), Via::Direct);
                let key = (at >= 3).then_some(KeyAlgorithm::Rsa);
                let endpoint =
                    Endpoint { address, port: *port, server_name, via, key, starttls: None, client: None };
                asked.push((endpoint, (one != '-').then(|| leaf(one as u8))));
            }
        }
        let leaves = BTreeSet::from([leaf(b'n')]);
        let switched = if knows { Switched::Leaves(&leaves) } else { Switched::AsTheFirst };
        let shown_so: Vec<_> = asked.iter().map(|(endpoint, leaf)| (endpoint, *leaf)).collect();
        let mut marks = elsewhere(&names[1..], &shown_so, switched).into_iter();
        let mark = |mark| if mark { 'e' } else { '.' };
        shown.iter().map(|(_, each)| marks.by_ref().take(each.len()).map(mark).collect()).collect()
    }

    #[test]
    fn names_that_are_answered_with_what_is_switched_count_and_no_others() {
        for (shown, marks) in [
            ("nnn", "..."),
            ("nxn", ".e."),
            ("n-n", ".e."),
            // The first name is another host's.
            ("xnn", "e.."),
            ("-n-", "e.e"),
            // Nothing is switched here yet: the first name has to be.
            ("xyz", ".ee"),
            ("---", ".ee"),
            ("x-x", ".ee"),
            // One of two keys is enough.
            ("nx--nx", "..e..e"),
        ] {
            assert_eq!(marked(&[(443, shown)], true), [marks], "{shown}");
        }
    }

    #[test]
    fn where_nothing_says_what_is_read_names_count_that_show_what_the_first_shows() {
        for (shown, marks) in [("xxx", "..."), ("xyx", ".e."), ("-yy", "e.."), ("---", ".ee")] {
            assert_eq!(marked(&[(443, shown)], false), [marks], "{shown}");
        }
    }

    #[test]
    fn each_port_is_judged_by_itself() {
        assert_eq!(marked(&[(443, "nxn"), (8443, "xnx"), (9443, "xxx")], true), [".e.", "e.e", ".ee"]);
    }
}
