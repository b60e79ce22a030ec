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
        }
    }
}
