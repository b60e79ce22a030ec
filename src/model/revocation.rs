//! That a certificate was revoked.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why (RFC 5280, section 5.3.1): those that CAs accept from a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// None is given.
    Unspecified,
    /// Somebody else has, or may have, the private key.
    KeyCompromise,
    /// The names or the organisation are no longer right.
    AffiliationChanged,
    /// Another certificate has taken its place.
    Superseded,
    /// What it was for no longer exists.
    CessationOfOperation,
}

impl RevocationReason {
    /// Every reason, as commands name it.
    pub const ALL: [Self; 5] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
    ];

    /// The reason as commands and JSON name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RevocationReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|reason| reason.as_str()).collect();
            format!("one of {}", all.join(", "))
        })
    }
}

/// A certificate that is never to be served again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// The CA that confirmed it; none as long as none has.
    pub confirmed_by: Option<String>,
}
