//! What people ask of a rollout from another terminal. The controller that holds the lease takes it up, and writes it
//! into the journal as an event; nobody else writes there.

use rusqlite::params;

use super::{Journal, StoreError};
use crate::model::RolloutId;
use crate::rollout::Event;

/// A wish that was not taken up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    number: i64,
    /// The event that it becomes.
    pub event: Event,
}

impl Journal {
    /// Leaves a wish for whoever runs the rollout, now or later.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn wish(&self, rollout: &RolloutId, event: &Event) -> Result<(), StoreError> {
        let text = serde_json::to_string(event).map_err(|source| StoreError::Event {
            rollout: rollout.to_string(),
            seq: 0,
            source,
        })?;
        self.with(|connection| {
            connection
                .execute(
                    "INSERT INTO wishes (rollout, event) VALUES (?1, ?2)",
                    params![rollout.as_str(), text],
                )
                .map(drop)
        })
    }

    /// The wishes for a rollout, oldest first. They stay until [`Journal::fulfilled`].
    ///
    /// # Errors
    /// When the database cannot be read, or one is of a newer version.
    pub fn wishes(&self, rollout: &RolloutId) -> Result<Vec<Wish>, StoreError> {
        let rows: Vec<(i64, String)> = self.with(|connection| {
            let mut select = connection
                .prepare_cached("SELECT number, event FROM wishes WHERE rollout = ?1 ORDER BY number")?;
            let rows = select.query_map([rollout.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let read = |(number, text): (i64, String)| match serde_json::from_str(&text) {
            Ok(event) => Ok(Wish { number, event }),
            Err(source) => Err(StoreError::Event { rollout: rollout.to_string(), seq: 0, source }),
        };
        rows.into_iter().map(read).collect()
    }

    /// The wish is in the journal now.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn fulfilled(&self, wish: &Wish) -> Result<(), StoreError> {
        self.with(|connection| {
            connection.execute("DELETE FROM wishes WHERE number = ?1", [wish.number]).map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[test]
    fn a_wish_stays_until_it_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Store::open(&folder.path().join("state")).unwrap().journal().unwrap();
        let (one, other) = (RolloutId::new(1, [0; 10]), RolloutId::new(2, [0; 10]));
        let event = Event::PauseRequested { by: "ann".to_owned() };
        journal.wish(&one, &event).unwrap();
        assert!(journal.wishes(&other).unwrap().is_empty());
        let wishes = journal.wishes(&one).unwrap();
        assert_eq!(wishes[0].event, event);
        journal.fulfilled(&wishes[0]).unwrap();
        assert!(journal.wishes(&one).unwrap().is_empty());
    }
}
