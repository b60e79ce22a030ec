//! What was issued as one, as everybody may see it.

use jiff::Timestamp;

use crate::certificate::{Certificate, KeyAlgorithm, UnreadableCertificate, chain_expires, parse_pem};
use crate::model::Version;

/// The chains of one version, without its keys: enough to know it where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSet {
    version: Version,
    first: Vec<Certificate>,
    second: Option<Vec<Certificate>>,
}

impl ChainSet {
    /// Reads them, each PEM with its leaf first.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(
        version: Version,
        first: &[u8],
        second: Option<&[u8]>,
    ) -> Result<Self, UnreadableCertificate> {
        Ok(Self { version, first: parse_pem(first)?, second: second.map(parse_pem).transpose()? })
    }

    /// Which version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The one whose key is of that algorithm; the first where that is not asked. Never empty.
    pub fn of(&self, algorithm: Option<KeyAlgorithm>) -> &[Certificate] {
        let fits = |chain: &&Vec<Certificate>| algorithm.is_some() && chain[0].key_algorithm() == algorithm;
        self.second.iter().find(fits).unwrap_or(&self.first)
    }

    /// When the first of them expires, with what stands behind the leaves.
    pub fn not_after(&self) -> Timestamp {
        chain_expires(self.first.iter().chain(self.second.iter().flatten())).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, pem, rsa_key};

    fn set(first: &[&Certificate], second: Option<&[&Certificate]>) -> ChainSet {
        let version: Version = "20261123T200100Z-3f9a1c2e".parse().unwrap();
        ChainSet::read(version, &pem(first), second.map(pem).as_deref()).unwrap()
    }

    #[test]
    fn the_first_stands_for_what_is_not_asked_for() {
        let root = Authority::new("Root");
        let (leaf, _) = root.issue(&LeafSpec::default());
        let set = set(&[&leaf, &root.certificate], None);
        assert_eq!(set.of(None), [leaf.clone(), root.certificate.clone()]);
        assert_eq!(set.of(Some(KeyAlgorithm::Rsa))[0], leaf);
        assert_eq!(set.not_after(), leaf.not_after);
    }

    #[test]
    fn a_set_lasts_no_longer_than_what_stands_behind_its_leaves() {
        let root = Authority::new("Root");
        let certified = |to_days| root.certify(rsa_key(), &LeafSpec { to_days, ..LeafSpec::default() });
        let (leaf, long, short) = (certified(59), certified(80), certified(2));
        assert_eq!(set(&[&leaf, &long], None).not_after(), leaf.not_after);
        assert_eq!(set(&[&leaf, &short], None).not_after(), short.not_after);
        assert_eq!(set(&[&leaf, &long], Some(&[&leaf, &long, &short])).not_after(), short.not_after);
    }

    #[test]
    fn of_dual_chains_each_stands_for_its_algorithm() {
        let root = Authority::new("Root");
        let ecdsa = root.issue(&LeafSpec::default()).0;
        let rsa = root.certify(rsa_key(), &LeafSpec { to_days: 30, ..LeafSpec::default() });
        for (first, second) in [(&ecdsa, &rsa), (&rsa, &ecdsa)] {
            let set = set(&[first, &root.certificate], Some(&[second, &root.certificate]));
            assert_eq!(set.of(None), [first.clone(), root.certificate.clone()]);
            assert_eq!(set.of(Some(KeyAlgorithm::Ecdsa)), [ecdsa.clone(), root.certificate.clone()]);
            assert_eq!(set.of(Some(KeyAlgorithm::Rsa)), [rsa.clone(), root.certificate.clone()]);
            assert_eq!(set.not_after(), rsa.not_after);
        }
    }
}
