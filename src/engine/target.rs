//! What is rolled out, and what the store knows of it.

use std::collections::BTreeSet;

use crate::certificate::CertificateSet;
use crate::model::{Fingerprint, Version};
use crate::rollout::Previous;
use crate::verify::{Endpoint, Expectation};

/// What the store knows of certificates.
#[derive(Debug, Clone, Default)]
pub struct StoredVersions {
    /// The leaves of everything that was ever issued.
    pub leaves: BTreeSet<Fingerprint>,
    /// Of these, the leaves of this certificate's versions.
    pub own: BTreeSet<Fingerprint>,
    /// Versions of it that are never to be served again.
    pub revoked: BTreeSet<Version>,
}

/// What is being rolled out.
#[derive(Debug, Clone)]
pub struct Target {
    /// The certificates, proven.
    pub set: CertificateSet,
    /// What else the store knows.
    pub stored: StoredVersions,
    /// The leaves of all others in the store.
    others: BTreeSet<Fingerprint>,
}

impl Target {
    /// Certificates that are to be rolled out.
    pub fn new(set: CertificateSet, stored: StoredVersions) -> Self {
        let own = set.leaves();
        let others = stored.leaves.iter().copied().filter(|leaf| !own.contains(leaf)).collect();
        Self { set, stored, others }
    }

    /// What an endpoint has to serve when it is done. `previous` is what it served before.
    pub fn expected(&self, endpoint: &Endpoint, previous: Option<&Previous>) -> Expectation {
        Expectation {
            chain: self.set.of(endpoint.key).fingerprints(),
            server_name: endpoint.server_name.clone(),
            previous: previous.map(|previous| previous.leaves.clone()).unwrap_or_default(),
            known: self.others.clone(),
        }
    }
}
