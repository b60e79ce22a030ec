//! The journal of one rollout, as the driver writes it.

use std::error::Error;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ledger::Fact;
use crate::model::OperationId;
use crate::ports::{Journal, JournalError, Lease, RolloutJournal, StoreError};
use crate::rollout::Event;

/// The journal of one rollout, for who has the lease of its certificate.
#[derive(Clone)]
pub(super) struct OneRollout {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) lease: Lease,
    pub(super) id: OperationId,
}

impl RolloutJournal for OneRollout {
    async fn append(&self, events: Vec<(Timestamp, Event)>) -> Result<(), JournalError> {
        let Self { journal, lease, id } = self.clone();
        let facts: Vec<(Timestamp, Fact)> =
            events.into_iter().map(|(time, event)| (time, event.into())).collect();
        let write = move || journal.append(lease.as_ref(), &id, &facts);
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ StoreError::Deposed { .. })) => Err(JournalError::Deposed(error.to_string())),
            Ok(Err(error)) => Err(JournalError::Unwritable(reason(&error))),
            Err(error) => Err(JournalError::Unwritable(error.to_string())),
        }
    }
}

fn reason(error: &StoreError) -> String {
    match error.source() {
        Some(source) => format!("failed to {error}: {source}"),
        None => format!("failed to {error}"),
    }
}
