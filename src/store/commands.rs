//! What people ask of a rollout from another terminal. The controller that holds the lease takes it up, and writes it
//! into the journal as an event; nobody else writes there.

use rusqlite::params;

use crate::model::OperationId;
use crate::ports::Command;
use crate::rollout::Event;
use crate::store::StoreError;
use crate::store::database::Database;

/// Leaves a command for whoever runs the rollout, now or later.
///
/// # Errors
/// When the database refuses.
pub(super) fn leave(database: &Database, rollout: &OperationId, event: &Event) -> Result<(), StoreError> {
    let text = serde_json::to_string(event).map_err(|source| StoreError::Fact {
        operation: rollout.to_string(),
        seq: 0,
        source,
    })?;
    database.with(|connection| {
        connection
            .execute("INSERT INTO commands (rollout, event) VALUES (?1, ?2)", params![rollout.as_str(), text])
            .map(drop)
    })
}

/// The commands for a rollout, oldest first. They stay until their events are in the journal.
///
/// # Errors
/// When the database cannot be read, or one is of a newer version.
pub(super) fn of(database: &Database, rollout: &OperationId) -> Result<Vec<Command>, StoreError> {
    let rows: Vec<(i64, String)> = database.with(|connection| {
        let mut select = connection
            .prepare_cached("SELECT number, event FROM commands WHERE rollout = ?1 ORDER BY number")?;
        let rows = select.query_map([rollout.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    })?;
    let read = |(number, text): (i64, String)| match serde_json::from_str(&text) {
        Ok(event) => Ok(Command { number, event }),
        Err(source) => Err(StoreError::Fact { operation: rollout.to_string(), seq: 0, source }),
    };
    rows.into_iter().map(read).collect()
}

/// A rollout that is resumed is not paused by what somebody asked before: called when its lease is taken, so that what
/// is asked from then on counts.
///
/// # Errors
/// When the database cannot be written.
pub(super) fn forget_pauses(database: &Database, rollout: &OperationId) -> Result<(), StoreError> {
    database.with(|connection| {
        let sql = "DELETE FROM commands
             WHERE rollout = ?1 AND json_extract(event, '$.event') = 'rollout.pause_requested'";
        connection.execute(sql, [rollout.as_str()]).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ports::{Journal as _, Leases};
    use crate::rollout::RolloutRecord;
    use crate::store::Store;

    #[test]
    fn a_wish_stays_until_its_event_is_in_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let journal = store.journal().unwrap();
        let (one, other) = (OperationId::new(1, [0; 10]), OperationId::new(2, [0; 10]));
        let record = RolloutRecord {
            id: one.clone(),
            certificate: "a.test".parse().unwrap(),
            version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
            playbook: "a.yaml".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            outcome: None,
            origin: None,
        };
        let lease = store.leases(&journal).take(&record.certificate, "rollout 1").unwrap();
        journal.begin(lease.as_ref(), &record, "{}").unwrap();
        let append = |event: &Event| {
            journal.append(lease.as_ref(), &one, &[(Timestamp::UNIX_EPOCH, event.clone().into())]).unwrap();
        };
        let asked = || -> Vec<Event> {
            journal.commands(&one).unwrap().into_iter().map(|command| command.event).collect()
        };
        let pause = |by: &str| Event::PauseRequested { by: by.to_owned() };
        let abort = Event::AbortRequested { by: "ann".to_owned() };
        for event in [pause("ann"), pause("ann"), pause("bob"), abort.clone()] {
            journal.command(&one, &event).unwrap();
        }
        assert!(journal.commands(&other).unwrap().is_empty());
        append(&Event::Cancelled);
        assert_eq!(asked().len(), 4);
        append(&pause("ann"));
        assert_eq!(asked(), [pause("bob"), abort.clone()]);
        // Resuming by name cancels a pause, but not an abort, and nothing that is asked of another rollout.
        journal.command(&other, &pause("ann")).unwrap();
        journal.forget_pauses(&one).unwrap();
        assert_eq!(asked(), std::slice::from_ref(&abort));
        assert_eq!(journal.commands(&other).unwrap().len(), 1);
        // What is asked while it is taken up counts.
        journal.command(&one, &pause("ann")).unwrap();
        append(&Event::Resumed);
        assert_eq!(asked(), [abort.clone(), pause("ann")]);
        append(&abort);
        append(&pause("ann"));
        assert!(asked().is_empty());
        assert_eq!(journal.commands(&other).unwrap().len(), 1);
    }
}
