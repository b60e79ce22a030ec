//! The right to work on a certificate, which another controller may have taken.

/// Another controller works on the certificate now: nothing more may be done here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LeaseLost(pub String);

/// The right to work on a certificate.
pub trait HeldLease: Send + Sync {
    /// Whether it is still ours. Asked right before anything that counts outside: an order, a revocation.
    ///
    /// # Errors
    /// When another has it, or nobody can tell.
    fn check(&self) -> Result<(), LeaseLost>;
}
