//! What each host serves, and which version it was verified on last, by the journal's account. What hosts serve now, only
//! a handshake can tell.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ledger::Versions;
use crate::model::{HostName, Version};
use crate::rollout::{HostOutcome, Previous};

/// How a rollout left a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEnd {
    /// Which.
    pub host: HostName,
    /// How it ended, as far as it has.
    pub outcome: HostOutcome,
    /// What it served before.
    pub previous: Option<Previous>,
    /// Its wave passed: it was watched for as long as it was to be.
    pub passed: bool,
}

/// A version that a host serves, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedVersion {
    /// Which.
    pub version: Version,
    /// Until when it is valid, where the host itself told.
    not_after: Option<Timestamp>,
}

/// What is known of one host.
#[derive(Debug, Clone, Default)]
struct KnownHost {
    served: Option<ServedVersion>,
    verified: Option<Version>,
    /// Whether it was watched on what it serves.
    soaked: Option<bool>,
}

/// A fold over rollouts, newest first: what a later one says of a host wins.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    hosts: BTreeMap<HostName, KnownHost>,
}

impl Hosts {
    /// An earlier rollout, of `version`.
    pub fn take_in(&mut self, version: &Version, ends: impl IntoIterator<Item = HostEnd>) {
        use HostOutcome::{Changed, Failed, RollbackFailed, RolledBack, Unchanged, Unreachable, Untouched};
        for HostEnd { host, outcome, previous, passed } in ends {
            let known = self.hosts.entry(host).or_default();
            let on = |version: &Version, not_after| ServedVersion { version: version.clone(), not_after };
            let served = match outcome {
                Changed | Unchanged | RollbackFailed => Some(on(version, None)),
                RolledBack => previous.map(|previous| on(&previous.version, Some(previous.not_after))),
                Failed | Unreachable | Untouched => None,
            };
            let verified = served.clone().filter(|_| outcome != RollbackFailed).map(|served| served.version);
            // Until a rollout is found that says how it came to what it serves.
            let same = known.served.as_ref().is_none_or(|served| served.version == *version);
            if known.soaked.is_none() {
                known.soaked = match outcome {
                    Changed | Unchanged if same && passed => Some(true),
                    Changed if same => Some(false),
                    Changed | RolledBack | RollbackFailed => Some(true),
                    Unchanged | Failed | Unreachable | Untouched => None,
                };
            }
            known.served = known.served.take().or(served);
            known.verified = known.verified.take().or(verified);
        }
    }

    /// Whether earlier rollouts can say nothing more of these hosts.
    pub fn is_settled<'h>(&self, hosts: impl IntoIterator<Item = &'h HostName>) -> bool {
        let settled =
            |known: &KnownHost| known.served.is_some() && known.verified.is_some() && known.soaked.is_some();
        hosts.into_iter().all(|host| self.hosts.get(host).is_some_and(settled))
    }

    /// The version that each host serves, or may have been left on.
    pub fn served_by_host(&self) -> impl Iterator<Item = (&HostName, &Version)> {
        self.hosts.iter().filter_map(|(host, known)| Some((host, &known.served.as_ref()?.version)))
    }

    /// The version that a host was verified on last.
    pub fn last_verified(&self, host: &HostName) -> Option<&Version> {
        self.hosts.get(host)?.verified.as_ref()
    }

    /// Whether a host serves a version whose wave never passed with it: nobody watched it for as long as was wanted.
    pub fn is_unsoaked(&self, host: &HostName, version: &Version) -> bool {
        let Some(known) = self.hosts.get(host) else { return false };
        known.served.as_ref().is_some_and(|served| served.version == *version) && known.soaked != Some(true)
    }

    /// Until when what these hosts serve is valid: the first to expire of what is not `next`.
    pub fn served_until<'h>(
        &self,
        hosts: impl IntoIterator<Item = &'h HostName>,
        next: Option<&Version>,
        versions: &Versions,
    ) -> Option<Timestamp> {
        let served = hosts.into_iter().filter_map(|host| self.hosts.get(host)?.served.as_ref());
        let others = served.filter(|served| Some(&served.version) != next);
        let until = |served: &ServedVersion| {
            versions.issued(&served.version).map(|one| one.not_after).or(served.not_after)
        };
        others.filter_map(until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Fact, Issuance};

    const ONE: &str = "20261001T000000Z-00000001";
    const TWO: &str = "20261002T000000Z-00000002";
    const THREE: &str = "20261003T000000Z-00000003";

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    fn end(host: &str, outcome: HostOutcome, previous: Option<(&str, i64)>) -> HostEnd {
        let previous = previous.map(|(before, day)| Previous {
            version: version(before),
            leaves: Vec::new(),
            not_after: at(day),
            revoked: false,
        });
        HostEnd { host: host.parse().unwrap(), outcome, previous, passed: true }
    }

    fn name(host: &str) -> HostName {
        host.parse().unwrap()
    }

    #[test]
    fn what_a_later_rollout_says_of_a_host_wins() {
        use HostOutcome::{Changed, RollbackFailed, RolledBack, Unreachable};
        let mut hosts = Hosts::default();
        hosts.take_in(
            &version(THREE),
            [
                end("a", Changed, Some((ONE, 1))),
                end("b", RolledBack, Some((ONE, 1))),
                end("c", RollbackFailed, Some((ONE, 1))),
                end("d", Unreachable, None),
            ],
        );
        assert!(!hosts.is_settled(&["c", "d"].map(name)));
        hosts.take_in(&version(TWO), ["a", "b", "c", "d"].map(|host| end(host, Changed, None)));
        assert!(hosts.is_settled(&["a", "b", "c", "d"].map(name)));
        let served: Vec<(&str, &str)> =
            hosts.served_by_host().map(|(host, version)| (host.as_str(), version.as_str())).collect();
        assert_eq!(served, [("a", THREE), ("b", ONE), ("c", THREE), ("d", TWO)]);
        let verified = ["a", "b", "c", "d", "e"].map(|host| hosts.last_verified(&name(host)).cloned());
        assert_eq!(
            verified,
            [Some(THREE), Some(ONE), Some(TWO), Some(TWO), None].map(|one| one.map(version))
        );
    }

    #[test]
    fn a_host_is_soaked_when_its_wave_passed_on_what_it_serves() {
        use HostOutcome::{Changed, RolledBack, Unchanged};
        let story = |rollouts: &[(&str, HostOutcome, bool)]| {
            let mut hosts = Hosts::default();
            for (of, outcome, passed) in rollouts {
                let end = HostEnd { passed: *passed, ..end("a", *outcome, Some((ONE, 1))) };
                hosts.take_in(&version(of), [end]);
            }
            hosts.is_unsoaked(&name("a"), &version(TWO))
        };
        // Newest first.
        assert!(story(&[(TWO, Changed, false), (ONE, Changed, true)]));
        assert!(story(&[(TWO, Unchanged, false), (TWO, Changed, false)]));
        assert!(!story(&[(TWO, Unchanged, true), (TWO, Changed, false)]));
        assert!(!story(&[(TWO, Unchanged, false), (TWO, Changed, true)]));
        assert!(!story(&[(TWO, Changed, true)]));
        // It does not serve that version.
        assert!(!story(&[(TWO, RolledBack, false), (ONE, Changed, true)]));
        assert!(!story(&[(ONE, Changed, false), (TWO, Changed, false)]));
        assert!(!story(&[]));
    }

    #[test]
    fn what_is_served_is_valid_until_its_first_expires_and_what_nobody_serves_does_not_count() {
        use HostOutcome::{Changed, RolledBack};
        let certificate: crate::model::CertificateName = "a.test".parse().unwrap();
        let mut versions = Versions::of(certificate.clone());
        // The third was issued, and no host ever served it.
        for (one, day) in [(ONE, 2), (TWO, 30), (THREE, 90)] {
            let issued = Fact::from(Issuance::Issued {
                certificate: certificate.clone(),
                version: version(one),
                issuer: Some("ca".to_owned()),
                directory: None,
                names: Vec::new(),
                not_before: at(0),
                not_after: at(day),
                fingerprints_sha256: Vec::new(),
            });
            versions.take_in(at(0), &issued);
        }
        let mut hosts = Hosts::default();
        hosts.take_in(&version(TWO), [end("a", Changed, None), end("b", RolledBack, Some((ONE, 2)))]);
        let until = |of: &[&str], next: Option<&str>| {
            let of: Vec<HostName> = of.iter().map(|host| name(host)).collect();
            hosts.served_until(&of, next.map(version).as_ref(), &versions)
        };
        assert_eq!(until(&["a", "b"], Some(THREE)), Some(at(2)));
        assert_eq!(until(&["a"], Some(THREE)), Some(at(30)));
        assert_eq!(until(&["a"], Some(TWO)), None);
        assert_eq!(until(&["c"], None), None);
    }

    #[test]
    fn where_nobody_wrote_down_what_was_issued_the_host_tells() {
        let mut hosts = Hosts::default();
        hosts.take_in(&version(TWO), [end("b", HostOutcome::RolledBack, Some((ONE, 7)))]);
        let certificate: crate::model::CertificateName = "a.test".parse().unwrap();
        let mut versions = Versions::of(certificate.clone());
        assert_eq!(hosts.served_until(&[name("b")], None, &versions), Some(at(7)));
        // The journal knows better.
        let issued = Issuance::Issued {
            certificate,
            version: version(ONE),
            issuer: None,
            directory: None,
            names: Vec::new(),
            not_before: at(0),
            not_after: at(9),
            fingerprints_sha256: Vec::new(),
        };
        versions.take_in(at(0), &issued.into());
        assert_eq!(hosts.served_until(&[name("b")], None, &versions), Some(at(9)));
    }

    #[test]
    fn what_a_host_serves_follows_from_how_its_rollout_ended() {
        use HostOutcome::{Changed, Failed, RollbackFailed, RolledBack, Unchanged, Unreachable, Untouched};
        let before = Some((ONE, 1));
        for (outcome, previous, served, verified) in [
            (Changed, before, Some(TWO), Some(TWO)),
            (Unchanged, None, Some(TWO), Some(TWO)),
            (RollbackFailed, before, Some(TWO), None),
            (RolledBack, before, Some(ONE), Some(ONE)),
            // Nobody wrote down what it had before.
            (RolledBack, None, None, None),
            (Failed, before, None, None),
            (Unreachable, before, None, None),
            (Untouched, before, None, None),
        ] {
            let mut hosts = Hosts::default();
            hosts.take_in(&version(TWO), [end("a", outcome, previous)]);
            let found = hosts.served_by_host().map(|(_, version)| version.clone()).next();
            assert_eq!(found, served.map(version), "{outcome:?}");
            assert_eq!(hosts.last_verified(&name("a")).cloned(), verified.map(version), "{outcome:?}");
        }
    }

    #[test]
    fn a_host_is_settled_when_nothing_more_can_be_said_of_it() {
        use HostOutcome::{Changed, RollbackFailed, Unchanged};
        let mut hosts = Hosts::default();
        assert!(!hosts.is_settled(&[name("a")]));
        hosts.take_in(&version(TWO), [end("a", Changed, None), end("b", RollbackFailed, None)]);
        let unwatched = HostEnd { passed: false, ..end("c", Unchanged, None) };
        hosts.take_in(&version(TWO), [unwatched]);
        let settled = |host: &str| hosts.is_settled(&[name(host)]);
        assert!(settled("a") && !settled("b") && !settled("c") && !settled("d"));
        assert!(!hosts.is_settled(&["a", "b"].map(name)));
    }
}
