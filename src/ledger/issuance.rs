//! The facts of issuing a certificate.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{CertificateName, Fingerprint, Version};

/// What happened while a certificate was issued. Issuers are named as the playbook calls them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Issuance {
    /// An ACME server took an order (RFC 8555, section 7.4): it counts against the server's limits from here on.
    #[serde(rename = "issuance.order_placed")]
    OrderPlaced {
        /// For which certificate.
        certificate: CertificateName,
        /// From whom.
        issuer: String,
        /// The URL of the server's directory.
        directory: String,
        /// The names that were ordered.
        names: Vec<String>,
        /// The URL of the order.
        url: String,
    },
    /// An order that an earlier try placed is worked on again.
    #[serde(rename = "issuance.order_resumed")]
    OrderResumed {
        /// For which certificate.
        certificate: CertificateName,
        /// From whom.
        issuer: String,
        /// The URL of the order.
        url: String,
    },
    /// Every name is proven to be ours.
    #[serde(rename = "issuance.validated")]
    Validated {
        /// For which certificate.
        certificate: CertificateName,
        /// To whom.
        issuer: String,
    },
    /// A certificate is in the store.
    #[serde(rename = "issuance.issued")]
    Issued {
        /// Which.
        certificate: CertificateName,
        /// Its version.
        version: Version,
        /// By whom; none where it was found in the store.
        issuer: Option<String>,
        /// The URL of the directory of an ACME server.
        directory: Option<String>,
        /// What it is for.
        names: Vec<String>,
        /// Valid from.
        not_before: Timestamp,
        /// Valid until; of dual certificates, the first to expire.
        not_after: Timestamp,
        /// The SHA-256 of its leaf; two of dual certificates.
        fingerprints_sha256: Vec<Fingerprint>,
    },
    /// An issuer gave none.
    #[serde(rename = "issuance.failed")]
    Failed {
        /// For which certificate.
        certificate: CertificateName,
        /// Who.
        issuer: String,
        /// The issuer's words.
        reason: String,
    },
    /// An order of an earlier try came to nothing.
    #[serde(rename = "issuance.abandoned")]
    Abandoned {
        /// For which certificate.
        certificate: CertificateName,
        /// From whom.
        issuer: String,
        /// The URL of the order.
        url: String,
        /// Why.
        reason: String,
    },
}
