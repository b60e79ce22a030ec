//! What an endpoint should serve.

use std::collections::BTreeSet;

use crate::model::{DnsName, Fingerprint};

/// What an endpoint should serve, and what else would be recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The chain being rolled out, leaf first, as it must be served: the same certificates in the
    /// same order and no others.
    pub chain: Vec<Fingerprint>,
    /// It was served before the rollout, too, as far as is known: who goes back serves it still.
    pub stays: bool,
    /// The name asked for, which the leaf must cover.
    pub server_name: DnsName,
    /// The leaves that were served before, where there were any.
    pub previous: Vec<Fingerprint>,
    /// Leaves of every other certificate in the store.
    pub known: BTreeSet<Fingerprint>,
}
