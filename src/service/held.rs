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
    /// SHA-1 of the leaf's encoding: tells certificates apart, proves nothing.
    pub sha1: [u8; 20],
    /// When it expires, where the server says that.
    pub not_after: Option<Timestamp>,
    /// What its key signs with.
    pub algorithm: Option<KeyAlgorithm>,
}

impl Held {
    /// Whether it is this certificate.
    pub fn is(&self, certificate: &Certificate) -> bool {
        self.sha1 == openssl::sha::sha1(&certificate.der)
    }
}

impl From<&Certificate> for Held {
    fn from(leaf: &Certificate) -> Self {
        Self {
            serial: leaf.serial.clone(),
            sha1: openssl::sha::sha1(&leaf.der),
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
        assert_eq!(Held::from(&one).not_after, Some(one.not_after));
        assert_eq!(Held::from(&one).algorithm, Some(KeyAlgorithm::Ecdsa));
    }
}
