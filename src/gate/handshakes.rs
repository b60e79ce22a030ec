//! The gate of handshakes: each one of a soak must have shown the new certificate.

use serde::{Deserialize, Serialize};

use crate::model::HostName;

/// Handshakes, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Handshakes {
    /// Full handshakes tried.
    pub tried: u64,
    /// Those that failed, or did not show the new certificate whole and trusted.
    pub failed: u64,
}

/// What handshakes showed since the soak started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HandshakeSample {
    /// How many.
    #[serde(flatten)]
    pub handshakes: Handshakes,
    /// Hosts where one failed.
    pub failed_hosts: Vec<HostName>,
    /// The first failure in words.
    pub first_failure: Option<String>,
}

/// Handshakes that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeFailure {
    /// How many were tried and failed.
    pub handshakes: Handshakes,
    /// Where they failed.
    pub hosts: Vec<HostName>,
    /// The first failure in words.
    pub reason: String,
}

impl HandshakeSample {
    /// Whether each of them was good; none where there were none.
    pub(super) fn judge(&self) -> Option<Result<(), HandshakeFailure>> {
        let Self { handshakes, failed_hosts, first_failure } = self;
        match handshakes {
            Handshakes { failed: 1.., .. } => Some(Err(HandshakeFailure {
                handshakes: *handshakes,
                hosts: failed_hosts.clone(),
                reason: first_failure.clone().unwrap_or_default(),
            })),
            Handshakes { tried: 0, .. } => None,
            Handshakes { .. } => Some(Ok(())),
        }
    }
}
