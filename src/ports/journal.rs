//! The journal: written before what it announces is done, and read by whoever decides.

use std::future::Future;

use jiff::Timestamp;

use crate::ledger::Fact;
use crate::model::OperationId;
use crate::ports::{HeldLease, StoreError};
use crate::rollout::{Event, RolloutRecord};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal, from 1.
    pub seq: i64,
    /// Whose it is: a rollout, or something else that was done.
    pub operation: OperationId,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// What a person asked of a rollout from elsewhere, and nobody took up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Grows with each command.
    pub number: i64,
    /// The event that it becomes.
    pub event: Event,
}

/// Lines of the journal, in the order they were written; each may be an error.
pub type Entries = Box<dyn Iterator<Item = Result<Entry, StoreError>> + Send>;

/// Events of one rollout, each with its time; each may be an error.
pub type Events = Box<dyn Iterator<Item = Result<(Timestamp, Event), StoreError>> + Send>;

/// Where every fact is kept. What is written is durable when a call returns.
pub trait Journal: Send + Sync {
    /// Notes that a rollout begins: its record, its whole plan, as JSON, and its first fact.
    ///
    /// # Errors
    /// When it cannot be kept, or the lease is another's by now.
    fn begin(&self, lease: &dyn HeldLease, record: &RolloutRecord, plan: &str) -> Result<(), StoreError>;

    /// Appends facts, all or none. It prolongs the lease, and takes up the commands that they are.
    ///
    /// # Errors
    /// When they cannot be kept, or the lease is another's by now: then what they announce must not be done.
    fn append(
        &self,
        lease: &dyn HeldLease,
        operation: &OperationId,
        facts: &[(Timestamp, Fact)],
    ) -> Result<(), StoreError>;

    /// All rollouts, newest first: as the journal took them up, whatever the clock said.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn rollouts(&self) -> Result<Vec<RolloutRecord>, StoreError>;

    /// The whole plan of a rollout, as JSON; none when there is no such rollout.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn plan(&self, id: &OperationId) -> Result<Option<String>, StoreError>;

    /// The events of a rollout.
    fn events(&self, id: &OperationId) -> Events;

    /// Every fact that is not a rollout's.
    fn beside_rollouts(&self) -> Entries;

    /// Leaves a command for whoever drives the rollout, now or later.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn command(&self, rollout: &OperationId, event: &Event) -> Result<(), StoreError>;

    /// The commands for a rollout, oldest first. They stay until their events are in the journal.
    ///
    /// # Errors
    /// When they cannot be read.
    fn commands(&self, rollout: &OperationId) -> Result<Vec<Command>, StoreError>;

    /// Forgets who asked a rollout to pause: called when somebody resumes it, under its lease, so that what is asked from
    /// then on counts.
    ///
    /// # Errors
    /// When they cannot be forgotten.
    fn forget_pauses(&self, rollout: &OperationId) -> Result<(), StoreError>;
}

/// The journal of one rollout, as the driver writes it.
pub trait RolloutJournal: Send + Sync + 'static {
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
