//! A person, or a rule, that says whether a change may begin.

use futures_util::future::BoxFuture;

use crate::model::{CertificateName, OperationId, Version};

/// What is asked before a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Roll out.
    RollOut {
        /// To how many hosts.
        hosts: usize,
    },
    /// Put hosts back.
    PutBack {
        /// How many.
        hosts: usize,
    },
    /// Revoke a version.
    Revoke {
        /// Of which certificate.
        name: CertificateName,
        /// Which.
        version: Version,
    },
    /// Resume a rollout that did not end, rather than begin another.
    Resume {
        /// Which.
        rollout: OperationId,
        /// The new one would do the same.
        same: bool,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Nobody is there to be asked.
    #[error("nobody is there to confirm it")]
    Nobody,
    /// The wait for an answer was ended.
    #[error("interrupted at the question")]
    Interrupted,
    /// The question, or its answer, was lost.
    #[error("{0}")]
    Lost(String),
}

/// Says whether a change may begin.
pub trait Confirm: Sync {
    /// Whether a rule answers, and no person.
    fn is_automatic(&self) -> bool;

    /// Whether the answer is yes.
    ///
    /// # Errors
    /// When there is no answer; then nothing may be changed.
    fn confirm<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<bool, Unanswered>>;
}
