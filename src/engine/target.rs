//! What is rolled out, and what the store knows of it.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Its versions' chains, each leaf first.
    pub chains: BTreeMap<Version, Vec<Vec<Fingerprint>>>,
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
        let chain = self.set.of(endpoint.key).fingerprints();
        // A pair has the chain of the single certificate before it. Of what stood on the host, the leaf alone is known.
        let stays = previous.is_some_and(|previous| {
            let chains = self.stored.chains.get(&previous.version);
            let same = chains.is_none_or(|chains| chains.contains(&chain));
            previous.leaves.contains(&chain[0]) && same
        });
        Expectation {
            chain,
            stays,
            server_name: endpoint.server_name.clone(),
            previous: previous.map(|previous| previous.leaves.clone()).unwrap_or_default(),
            known: self.others.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{World, certificates, previous};

    #[test]
    fn a_chain_stays_where_the_version_before_has_it_too_as_far_as_is_known() {
        let (all, world) = (certificates(), World::nginx());
        let endpoint = &world.host().services[0].endpoints[0];
        let before = previous(&all.new);
        let chain = all.new.bundles().next().unwrap().fingerprints();
        let stays = |chains: Option<Vec<Vec<Fingerprint>>>, before: &Previous| {
            let chains = chains.map(|chains| (before.version.clone(), chains)).into_iter().collect();
            let target = Target::new(all.new.clone(), StoredVersions { chains, ..StoredVersions::default() });
            target.expected(endpoint, Some(before)).stays
        };
        assert!(stays(None, &before), "what stood on the host is known by its leaf alone");
        assert!(stays(Some(vec![chain.clone()]), &before));
        assert!(stays(Some(vec![vec![all.foreign.fingerprint], chain.clone()]), &before));
        assert!(!stays(Some(vec![chain[..1].to_vec()]), &before), "the same leaf has another chain");
        assert!(!stays(None, &previous(&all.old)), "another leaf");
    }
}
