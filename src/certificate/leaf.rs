//! A leaf without its encoding: what plans and results keep of one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, KeyType};
use crate::model::{Fingerprint, Serial};

/// A leaf certificate, without its encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// SHA-256 of the encoding.
    pub fingerprint_sha256: Fingerprint,
    /// Serial number.
    pub serial: Serial,
    /// What it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The kind of its key; none for a kind that certwave does not make.
    pub key_type: Option<KeyType>,
    /// Valid until.
    pub not_after: Timestamp,
    /// When the first of the certificates behind it expires, where that is sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_until: Option<Timestamp>,
}

/// When the first of a chain expires: clients refuse the whole of it then. None of no certificate.
pub fn chain_expires<'c>(chain: impl IntoIterator<Item = &'c Certificate>) -> Option<Timestamp> {
    chain.into_iter().map(|one| one.not_after).min()
}

impl Leaf {
    /// The first of a chain, with what the others leave of its time.
    pub fn of_chain(chain: &[Certificate]) -> Option<Self> {
        let leaf = Self::from(chain.first()?);
        let chain_until = chain_expires(chain).filter(|until| *until < leaf.not_after);
        Some(Self { chain_until, ..leaf })
    }

    /// The same of what a server sent, each in DER. None where the first cannot be read; of the others, what cannot does not count.
    pub fn of_served(chain: &[Vec<u8>]) -> Option<Self> {
        let (first, others) = chain.split_first()?;
        let first = Certificate::from_der(first).ok()?;
        let others = others.iter().filter_map(|der| Certificate::from_der(der).ok());
        Self::of_chain(&std::iter::once(first).chain(others).collect::<Vec<_>>())
    }

    /// Until when clients take it: when the first of its chain expires.
    pub fn expires(&self) -> Timestamp {
        self.chain_until.unwrap_or(self.not_after)
    }
}

impl From<&Certificate> for Leaf {
    fn from(certificate: &Certificate) -> Self {
        Self {
            fingerprint_sha256: certificate.fingerprint,
            serial: certificate.serial.clone(),
            names: certificate.names.clone(),
            issuer: certificate.issuer.clone(),
            key_type: certificate.key_type(),
            not_after: certificate.not_after,
            chain_until: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, new_key};

    #[test]
    fn a_chain_lasts_as_long_as_the_first_of_it_that_expires() {
        let root = Authority::new("Root");
        let issue = |to_days| root.certify(&new_key(), &LeafSpec { to_days, ..LeafSpec::default() });
        let [short, middle, long] = [2, 20, 59].map(issue);
        let expires = |chain: &[&Certificate]| {
            let chain: Vec<Certificate> = chain.iter().map(|one| (*one).clone()).collect();
            let der: Vec<Vec<u8>> = chain.iter().map(|one| one.der.clone()).collect();
            let leaf = Leaf::of_chain(&chain).unwrap();
            assert_eq!(Leaf::of_served(&der), Some(leaf.clone()));
            assert_eq!((leaf.fingerprint_sha256, leaf.not_after), (chain[0].fingerprint, chain[0].not_after));
            leaf.expires()
        };
        assert_eq!(expires(&[&long]), long.not_after);
        assert_eq!(expires(&[&long, &short]), short.not_after);
        assert_eq!(expires(&[&long, &middle, &short]), short.not_after);
        assert_eq!(expires(&[&short, &long, &middle]), short.not_after);
        assert_eq!(Leaf::of_chain(&[]), None);
        assert_eq!(Leaf::of_served(&[b"odd".to_vec()]), None);
        let unreadable = [long.der.clone(), b"odd".to_vec(), short.der.clone()];
        assert_eq!(Leaf::of_served(&unreadable).unwrap().expires(), short.not_after);
    }
}
