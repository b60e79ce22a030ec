//! Which versions of a certificate there are, by whom, and which were revoked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ledger::{Fact, Issuance, RevocationFact};
use crate::model::{CertificateName, Revocation, Version};

/// A version that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedVersion {
    /// Valid until.
    pub not_after: Timestamp,
}

/// One certificate that a CA issued, whatever it is called here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct IssuedBy {
    at: Timestamp,
    /// None where it was found in the store: any CA may have issued it.
    directory: Option<String>,
    names: BTreeSet<String>,
}

/// A fold over the facts of issuing and revoking, oldest first: the versions of one certificate, and what CAs issued at all.
#[derive(Debug, Clone)]
pub struct Versions {
    name: CertificateName,
    issued: BTreeMap<Version, IssuedVersion>,
    revoked: BTreeMap<Version, Revocation>,
    by_ca: Vec<IssuedBy>,
}

impl Versions {
    /// Before the first fact.
    pub fn of(name: CertificateName) -> Self {
        Self { name, issued: BTreeMap::new(), revoked: BTreeMap::new(), by_ca: Vec::new() }
    }

    /// The next fact.
    pub fn take_in(&mut self, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::Issuance(Issuance::Issued {
                certificate,
                version,
                directory,
                names,
                not_before,
                not_after,
                issuer,
                ..
            }) => {
                if *certificate == self.name {
                    self.issued.insert(version.clone(), IssuedVersion { not_after: *not_after });
                }
                // What comes from files draws on no CA's limits.
                if directory.is_some() || issuer.is_none() {
                    let at = if issuer.is_none() { *not_before } else { at };
                    let names = names.iter().cloned().collect();
                    self.by_ca.push(IssuedBy { at, directory: directory.clone(), names });
                }
            }
            Fact::Revocation(RevocationFact::Noted { certificate, version, reason })
                if *certificate == self.name =>
            {
                let noted = Revocation { at, reason: *reason, confirmed_by: None };
                self.revoked.entry(version.clone()).or_insert(noted);
            }
            Fact::Revocation(RevocationFact::Confirmed { certificate, version, issuer })
                if *certificate == self.name =>
            {
                if let Some(revocation) = self.revoked.get_mut(version) {
                    revocation.confirmed_by = Some(issuer.clone());
                }
            }
            Fact::Rollout(_) | Fact::Issuance(_) | Fact::Revocation(_) => {}
        }
    }

    /// What is known of a version; none where nobody wrote down that it was issued.
    pub fn issued(&self, version: &Version) -> Option<&IssuedVersion> {
        self.issued.get(version)
    }

    /// Whether a version was revoked, and why. A CA revokes a leaf: every version with that leaf is revoked, whatever its chain.
    pub fn revocation(&self, version: &Version) -> Option<&Revocation> {
        let same = || self.revoked.iter().find(|(revoked, _)| revoked.has_leaf_of(version));
        self.revoked.get(version).or_else(|| same().map(|(_, revocation)| revocation))
    }

    /// Whether this very version was revoked, and why.
    pub fn noted(&self, version: &Version) -> Option<&Revocation> {
        self.revoked.get(version)
    }

    /// Every version that was revoked.
    pub fn revoked(&self) -> BTreeSet<Version> {
        self.revoked.keys().cloned().collect()
    }

    /// How many certificates of exactly these names a CA issued since a time: what most of its limits count.
    pub fn issued_by(&self, directory: &str, names: &[String], since: Timestamp) -> usize {
        let names: BTreeSet<&String> = names.iter().collect();
        let counts = |one: &&IssuedBy| {
            one.at >= since
                && one.directory.as_deref().is_none_or(|by| by == directory)
                && one.names.iter().collect::<BTreeSet<_>>() == names
        };
        self.by_ca.iter().filter(counts).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RevocationReason;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    fn issued(version: &str, day: i64, directory: Option<&str>, names: &[&str]) -> Fact {
        Fact::from(Issuance::Issued {
            certificate: "a.test".parse().unwrap(),
            version: version.parse().unwrap(),
            issuer: directory.map(str::to_owned),
            directory: directory.map(str::to_owned),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            not_before: at(day),
            not_after: at(day + 90),
            fingerprints_sha256: Vec::new(),
        })
    }

    #[test]
    fn a_ca_is_counted_by_exact_names_and_by_week() {
        let mut versions = Versions::of("a.test".parse().unwrap());
        let one = "20261123T200100Z-3f9a1c2e";
        for (day, fact) in [
            (0, issued(one, 0, Some("https://ca"), &["a.test", "b.test"])),
            (5, issued(one, 5, Some("https://ca"), &["b.test", "a.test"])),
            (6, issued(one, 6, Some("https://other"), &["a.test", "b.test"])),
            (6, issued(one, 6, Some("https://ca"), &["a.test"])),
            // Found in the store: nobody knows whose it is, so it counts.
            (9, issued(one, 6, None, &["a.test", "b.test"])),
        ] {
            versions.take_in(at(day), &fact);
        }
        let names = ["a.test".to_owned(), "b.test".to_owned()];
        assert_eq!(versions.issued_by("https://ca", &names, at(1)), 2);
        assert_eq!(versions.issued_by("https://ca", &names, at(0)), 3);
        assert_eq!(versions.issued_by("https://ca", &names, at(7)), 0);
        assert_eq!(versions.issued(&one.parse().unwrap()).unwrap().not_after, at(96));
    }

    #[test]
    fn what_comes_from_files_is_no_cas_and_another_certificates_version_is_not_this_ones() {
        let one = "20261123T200100Z-3f9a1c2e";
        let Fact::Issuance(Issuance::Issued { certificate, version, names, not_before, not_after, .. }) =
            issued(one, 0, None, &["a.test"])
        else {
            panic!()
        };
        let by = |issuer: Option<&str>, directory: Option<&str>| {
            Fact::from(Issuance::Issued {
                certificate: certificate.clone(),
                version: version.clone(),
                issuer: issuer.map(str::to_owned),
                directory: directory.map(str::to_owned),
                names: names.clone(),
                not_before,
                not_after,
                fingerprints_sha256: Vec::new(),
            })
        };
        for (fact, counted) in [
            (by(Some("files"), None), 0),
            (by(Some("ca"), Some("https://ca")), 1),
            (by(Some("other"), Some("https://other")), 0),
            (by(None, None), 1),
        ] {
            let mut versions = Versions::of("a.test".parse().unwrap());
            versions.take_in(at(0), &fact);
            assert_eq!(versions.issued_by("https://ca", &names, at(0)), counted, "{fact:?}");
            assert!(versions.issued(&version).is_some());
            // What a CA issued counts under every name that it has here.
            let mut other = Versions::of("b.test".parse().unwrap());
            other.take_in(at(0), &fact);
            assert_eq!(other.issued_by("https://ca", &names, at(0)), counted);
            assert_eq!(other.issued(&version), None);
        }
    }

    #[test]
    fn a_confirmation_of_what_nobody_noted_revokes_nothing() {
        let (certificate, version): (CertificateName, Version) =
            ("a.test".parse().unwrap(), "20261123T200100Z-3f9a1c2e".parse().unwrap());
        let mut versions = Versions::of(certificate.clone());
        let (of, issuer) = (version.clone(), "ca".to_owned());
        versions.take_in(at(1), &Fact::from(RevocationFact::Confirmed { certificate, version: of, issuer }));
        assert_eq!(versions.revocation(&version), None);
        assert!(versions.revoked().is_empty());
    }

    #[test]
    fn a_revocation_keeps_its_first_time_and_is_confirmed_later() {
        let (certificate, version): (CertificateName, Version) =
            ("a.test".parse().unwrap(), "20261123T200100Z-3f9a1c2e".parse().unwrap());
        let reason = RevocationReason::KeyCompromise;
        let noted = Fact::from(RevocationFact::Noted {
            certificate: certificate.clone(),
            version: version.clone(),
            reason,
        });
        let confirmed = Fact::from(RevocationFact::Confirmed {
            certificate: certificate.clone(),
            version: version.clone(),
            issuer: "ca".to_owned(),
        });
        let (mut versions, mut other) = (Versions::of(certificate), Versions::of("b.test".parse().unwrap()));
        for (day, fact) in [(1, &noted), (2, &noted), (3, &confirmed)] {
            versions.take_in(at(day), fact);
            other.take_in(at(day), fact);
        }
        let expected = Revocation { at: at(1), reason, confirmed_by: Some("ca".to_owned()) };
        assert_eq!(versions.revocation(&version), Some(&expected));
        assert_eq!(versions.revoked(), [version.clone()].into());
        assert_eq!(other.revocation(&version), None);
    }
}
