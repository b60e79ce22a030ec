//! Small files that hold secrets.

use crate::model::Secret;

/// Small files that hold secrets: accounts at ACME servers, orders under way. How they are protected is the keeper's.
pub trait SecretFiles: Send + Sync {
    /// What a file holds; none where there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be had.
    fn read(&self, name: &str) -> Result<Option<Secret>, KeepError>;

    /// Writes a file, whole or not at all; it is durable when this returns.
    ///
    /// # Errors
    /// When it is not.
    fn write(&self, name: &str, secret: &Secret) -> Result<(), KeepError>;

    /// Calls a file something else.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    fn rename(&self, from: &str, to: &str) -> Result<(), KeepError>;

    /// Removes a file. It may be gone already.
    ///
    /// # Errors
    /// When the disk refuses.
    fn remove(&self, name: &str) -> Result<(), KeepError>;
}

/// A secret could not be kept, or not be had again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct KeepError {
    /// In words.
    pub reason: String,
    /// The way out, where there is a usual one.
    pub hint: Option<&'static str>,
}
