//! The journal, as the engine writes it.

use std::future::Future;

use jiff::Timestamp;

use crate::rollout::Event;

/// Where the facts of a rollout are kept.
pub trait Journal: Send + Sync + 'static {
    /// Appends events; they are durable when this returns.
    ///
    /// # Errors
    /// When they are not: then what they announce must not be done.
    fn append(
        &self,
        events: Vec<(Timestamp, Event)>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// The journal could not be written; in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk, or the database.
    #[error("{0}")]
    Unwritable(String),
    /// Another controller has taken the rollout over: nothing more may be done here, not even to finish.
    #[error("{0}")]
    Deposed(String),
}
