//! The right to work on a certificate, which one operation has at a time.

use std::fmt::Debug;
use std::sync::Arc;

use crate::model::CertificateName;
use crate::ports::StoreError;

/// What a lease shows with every write: who holds an older one writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseToken {
    /// What it is for.
    pub certificate: CertificateName,
    /// Grows each time that somebody takes it.
    pub epoch: i64,
}

/// The right to work on a certificate. It has a heartbeat of its own for as long as it lives, whatever its holder waits
/// for; when it is dropped, both end.
pub trait HeldLease: Debug + Send + Sync {
    /// What is shown with every write.
    fn token(&self) -> &LeaseToken;

    /// Asked right before anything that counts outside: an order, a revocation.
    ///
    /// # Errors
    /// [`StoreError::Deposed`] when another has it, another error when nobody can tell. Nothing more may be done then.
    fn check(&self) -> Result<(), StoreError>;
}

/// A lease that several parts of one operation share.
pub type Lease = Arc<dyn HeldLease>;

/// Gives leases.
pub trait Leases: Send + Sync {
    /// Takes the right to work on a certificate. `holder` is told to whoever wants it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another operation has it.
    fn take(&self, certificate: &CertificateName, holder: &str) -> Result<Lease, StoreError>;

    /// Who works on a certificate; none where nobody does. Nothing is taken.
    ///
    /// # Errors
    /// When nobody can tell.
    fn holder(&self, certificate: &CertificateName) -> Result<Option<String>, StoreError>;
}
