//! The facts of revoking a version.

use serde::{Deserialize, Serialize};

use crate::model::{CertificateName, RevocationReason, Version};

/// What happened while a version was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum RevocationFact {
    /// It is never to be served again, whatever its CA says.
    #[serde(rename = "revocation.noted")]
    Noted {
        /// Of which certificate.
        certificate: CertificateName,
        /// Which version.
        version: Version,
        /// Why.
        reason: RevocationReason,
    },
    /// Its CA says that it is revoked.
    #[serde(rename = "revocation.confirmed")]
    Confirmed {
        /// Of which certificate.
        certificate: CertificateName,
        /// Which version.
        version: Version,
        /// Who confirmed it.
        issuer: String,
    },
}
