//! What is rolled out as one: a certificate, or two of the same names with keys of different algorithms.

use jiff::Timestamp;

use crate::certificate::bundle::content;
use crate::certificate::{Bundle, Certificate, KeyAlgorithm};
use crate::model::{Fingerprint, Version};

/// One certificate, or two of different algorithms (dual certificates), issued and installed together. The
/// first one names the version and is in the files without an algorithm in their names.
#[derive(Debug, Clone)]
pub struct CertificateSet {
    first: Bundle,
    second: Option<Bundle>,
}

impl CertificateSet {
    /// The first, and the second where there is one.
    pub fn new(first: Bundle, second: Option<Bundle>) -> Self {
        Self { first, second }
    }

    /// With a second one, which was issued after the first: a version of its own, which sorts behind that of the first.
    pub fn joined_by(self, second: Bundle) -> Self {
        let content = content([self.first.chain(), second.chain()]);
        let version = self.version().joined_by(second.version(), &self.leaf().fingerprint, &content);
        let first = self.first.with_version(version.clone());
        Self { first, second: Some(second.with_version(version)) }
    }

    /// Its version: when it was issued, which leaf the first one has, and which content all have together.
    pub fn version(&self) -> &Version {
        self.first.version()
    }

    /// The leaf of the first.
    pub fn leaf(&self) -> &Certificate {
        self.first.leaf()
    }

    /// All of them.
    pub fn bundles(&self) -> impl Iterator<Item = &Bundle> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// All of them, each with the algorithm that its files are named after: none for the first.
    pub fn files(&self) -> impl Iterator<Item = (Option<KeyAlgorithm>, &Bundle)> {
        let second = self.second.iter().map(|bundle| (bundle.leaf().key_algorithm(), bundle));
        std::iter::once((None, &self.first)).chain(second)
    }

    /// The one whose key is of that algorithm; the first where that is not asked.
    pub fn of(&self, algorithm: Option<KeyAlgorithm>) -> &Bundle {
        let fits = |bundle: &&Bundle| algorithm.is_some() && bundle.leaf().key_algorithm() == algorithm;
        self.bundles().find(fits).unwrap_or(&self.first)
    }

    /// The leaves of all.
    pub fn leaves(&self) -> Vec<Fingerprint> {
        self.bundles().map(|bundle| bundle.leaf().fingerprint).collect()
    }

    /// When the first of them expires, with what stands behind the leaves.
    pub fn not_after(&self) -> Timestamp {
        self.bundles().map(Bundle::expires).min().unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::certificate::Requirements;
    use crate::certificate::testing::{Authority, LeafSpec, key_pem, new_key, now, pem, rsa_key};

    #[test]
    fn of_dual_certificates_each_stands_for_its_algorithm() {
        let middle = Authority::new("Root").intermediate("Middle");
        let bundle = |key, to_days| {
            let leaf = middle.certify(key, &LeafSpec { to_days, ..LeafSpec::default() });
            let required = Requirements { names: &[], now: now(), at_least: Duration::ZERO };
            let chain = pem(&[&leaf, &middle.certificate]);
            Bundle::prove(&chain, &key_pem(key), now(), &required).unwrap()
        };
        let (ecdsa, rsa) = (bundle(&new_key(), 89), bundle(rsa_key(), 30));
        let (elliptic, rivest) = (KeyAlgorithm::Ecdsa, KeyAlgorithm::Rsa);
        for (first, second, other) in [(&ecdsa, &rsa, rivest), (&rsa, &ecdsa, elliptic)] {
            let set = CertificateSet::new(first.clone(), Some(second.clone()));
            let leaf = |algorithm| set.of(algorithm).leaf().fingerprint;
            assert_eq!(leaf(None), first.leaf().fingerprint);
            assert_eq!(leaf(Some(elliptic)), ecdsa.leaf().fingerprint);
            assert_eq!(leaf(Some(rivest)), rsa.leaf().fingerprint);
            assert_eq!(set.leaves(), [first.leaf().fingerprint, second.leaf().fingerprint]);
            assert_eq!((set.version(), set.not_after()), (first.version(), rsa.leaf().not_after));
            let files: Vec<_> = set.files().map(|(name, one)| (name, one.leaf().fingerprint)).collect();
            assert_eq!(files, [(None, first.leaf().fingerprint), (Some(other), second.leaf().fingerprint)]);
        }
        let single = CertificateSet::new(ecdsa.clone(), None);
        // A second certificate is a version of its own, which sorts behind both.
        let pair = single.clone().joined_by(rsa.clone());
        assert!(pair.version() > single.version() && pair.version() > rsa.version());
        assert!(pair.version().has_leaf_of(single.version()));
        assert!(pair.bundles().all(|one| one.version() == pair.version()));
        assert_eq!(pair.leaves(), [ecdsa.leaf().fingerprint, rsa.leaf().fingerprint]);
        let late = rsa.clone().issued_at(now() + jiff::SignedDuration::from_hours(1));
        let other = single.clone().joined_by(late.clone());
        assert!(
            other.version() > single.version()
                && other.version().as_str()[..16] == late.version().as_str()[..16]
        );
        assert_eq!(single.of(Some(rivest)).leaf().fingerprint, ecdsa.leaf().fingerprint);
        assert_eq!(single.not_after(), ecdsa.leaf().not_after);
    }

    #[test]
    fn a_certificate_lasts_no_longer_than_what_stands_behind_it() {
        let middle = Authority::new("Root").intermediate("Middle");
        let until_root = middle.certificate.not_after.duration_since(now()).as_hours() / 24;
        let key = new_key();
        let leaf = middle.certify(&key, &LeafSpec { to_days: until_root + 9, ..LeafSpec::default() });
        let required = Requirements { names: &[], now: now(), at_least: Duration::ZERO };
        let chain = pem(&[&leaf, &middle.certificate]);
        let bundle = Bundle::prove(&chain, &key_pem(&key), now(), &required).unwrap();
        assert!(leaf.not_after > middle.certificate.not_after);
        assert_eq!(CertificateSet::new(bundle, None).not_after(), middle.certificate.not_after);
    }
}
