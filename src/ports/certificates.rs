//! Certificates that were issued, with their keys.

use crate::model::{CertificateName, Secret, Version};
use crate::ports::StoreError;

/// One version as it lies in the store. Not yet proven: that is [`crate::certificate::Bundle`]'s to do.
#[derive(Debug)]
pub struct StoredCertificate {
    /// Its version.
    pub version: Version,
    /// One, or two of dual certificates; one of two where the second was never issued.
    pub pairs: Vec<StoredPair>,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct StoredPair {
    /// The leaf and its chain, PEM.
    pub fullchain: Vec<u8>,
    /// The private key, PEM.
    pub key: Secret,
}

/// Keeps certificates that were issued, with their keys.
pub trait Certificates: Send + Sync {
    /// Keeps a version. Each pair is there whole, durable when this returns, or not at all; a second one may come later.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn put(&self, name: &CertificateName, certificate: &StoredCertificate) -> Result<(), StoreError>;

    /// All versions of a certificate, oldest first; none where there is no such certificate.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn versions(&self, name: &CertificateName) -> Result<Vec<Version>, StoreError>;

    /// A version with its keys.
    ///
    /// # Errors
    /// When it cannot be had.
    fn get(&self, name: &CertificateName, version: &Version) -> Result<StoredCertificate, StoreError>;

    /// The chains of a version, PEM, without its keys.
    ///
    /// # Errors
    /// When they cannot be had.
    fn chains(&self, name: &CertificateName, version: &Version) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The chains of all versions of all certificates, PEM.
    ///
    /// # Errors
    /// When they cannot be had.
    fn all_chains(&self) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The names of all certificates.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn names(&self) -> Result<Vec<CertificateName>, StoreError>;
}
