//! A certificate as a server says that it holds it in memory.

use jiff::Timestamp;

use crate::certificate::{Certificate, KeyAlgorithm};
use crate::model::Serial;

/// What a server says of its memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holds {
    /// Every certificate of ours, under each of its names.
    pub certificates: Vec<Held>,
    /// The names of all that it holds, ours or not, where it has names.
    pub names: Vec<String>,
}

/// What a server holds: known by what all of them tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The leaf's serial number.
    pub serial: Serial,
    /// SHA-1 of the leaf's encoding, where the server says that: tells certificates apart, proves nothing.
    pub sha1: Option<[u8; 20]>,
    /// When it expires, where the server says that.
    pub not_after: Option<Timestamp>,
    /// What its key signs with, where that is told and is one of them.
    pub algorithm: Option<KeyAlgorithm>,
}

impl Held {
    /// Whether it is this certificate, by all that is said of it.
    pub fn is(&self, certificate: &Certificate) -> bool {
        match self.sha1 {
            Some(sha1) => sha1 == openssl::sha::sha1(&certificate.der),
            None => {
                self.serial == certificate.serial
                    && self.not_after.is_none_or(|not_after| not_after == certificate.not_after)
            }
        }
    }
}

impl From<&Certificate> for Held {
    fn from(leaf: &Certificate) -> Self {
        Self {
            serial: leaf.serial.clone(),
            sha1: Some(openssl::sha::sha1(&leaf.der)),
            not_after: Some(leaf.not_after),
            algorithm: leaf.key_algorithm(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec};

    #[test]
    fn another_certificate_with_the_same_serial_number_is_another() {
        let root = Authority::new("Root");
        let (one, other) = (root.issue(&LeafSpec::default()).0, root.issue(&LeafSpec::default()).0);
        let held =
            Held { serial: other.serial.clone(), not_after: None, algorithm: None, ..Held::from(&one) };
        assert!(held.is(&one) && !held.is(&other));
        // Where it is known by its number alone, that is all that can tell.
        let numbered = |not_after| Held { sha1: None, not_after, ..Held::from(&one) };
        assert!(numbered(None).is(&one) && numbered(Some(one.not_after)).is(&one));
        assert!(!numbered(None).is(&other) && !numbered(Some(one.not_before)).is(&one));
        assert_eq!(Held::from(&one).not_after, Some(one.not_after));
        assert_eq!(Held::from(&one).algorithm, Some(KeyAlgorithm::Ecdsa));
    }
}
