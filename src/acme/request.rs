//! What is ordered from a CA.

use crate::certificate::KeyType;
use crate::model::DnsName;
use crate::plan::PlannedAcme;
use crate::ports::{HeldLease, SecretFiles};

/// What is ordered.
pub struct Request<'a> {
    /// From whom.
    pub issuer: &'a PlannedAcme,
    /// For which names.
    pub domains: &'a [DnsName],
    /// With what kind of key.
    pub key: KeyType,
    /// Accounts.
    pub accounts: &'a dyn SecretFiles,
    /// The right to order it: asked before anything that counts at the CA.
    pub lease: &'a dyn HeldLease,
    /// Orders that are not settled yet.
    pub orders: &'a dyn SecretFiles,
}
