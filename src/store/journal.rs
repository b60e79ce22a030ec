//! The journal: append-only events in SQLite, on the disk before the act that they announce.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use crate::engine::ports;
use crate::model::{CertificateName, RolloutId, Version};
use crate::rollout::{Event, RolloutOutcome};

const FORMAT: u32 = 1;

/// The journal. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Journal {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

/// What the journal knows of a rollout before its first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRecord {
    /// Its name.
    pub id: RolloutId,
    /// What it rolls out.
    pub certificate: CertificateName,
    /// Which version of it.
    pub version: Version,
    /// The playbook's path as the user typed it.
    pub playbook: String,
    /// The whole plan, as JSON.
    pub plan: String,
    /// When it started.
    pub started: Timestamp,
    /// How it ended, if it did.
    pub outcome: Option<RolloutOutcome>,
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let error = |source| StoreError::Journal { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(error)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(error)?;
        // Full: a commit is on the disk when it returns, since what it announces is done next.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
            .map_err(error)?;
        let found: u32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(error)?;
        if found > FORMAT {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT });
        }
        if found == 0 {
            connection
                .execute_batch(
                    "BEGIN IMMEDIATE;
                     CREATE TABLE IF NOT EXISTS rollouts (
                         id TEXT PRIMARY KEY, certificate TEXT NOT NULL, version TEXT NOT NULL,
                         playbook TEXT NOT NULL, plan TEXT NOT NULL, started TEXT NOT NULL
                     ) STRICT;
                     CREATE TABLE IF NOT EXISTS events (
                         rollout TEXT NOT NULL REFERENCES rollouts (id), seq INTEGER NOT NULL,
                         time TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (rollout, seq)
                     ) STRICT, WITHOUT ROWID;
                     PRAGMA user_version = 1;
                     COMMIT;",
                )
                .map_err(error)?;
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.to_owned() })
    }

    fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Journal { path: self.path.clone(), source }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        // A panic elsewhere does not make a database handle invalid: its transaction was rolled back.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut connection).map_err(|source| self.error(source))
    }

    /// Notes that a rollout begins.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn begin(&self, record: &RolloutRecord) -> Result<(), StoreError> {
        self.with(|connection| {
            connection.execute(
                "INSERT INTO rollouts (id, certificate, version, playbook, plan, started)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    record.id.as_str(),
                    record.certificate.as_str(),
                    record.version.as_str(),
                    record.playbook,
                    record.plan,
                    record.started.to_string()
                ],
            )
        })?;
        Ok(())
    }

    /// Appends events in one transaction; they are on the disk when this returns.
    ///
    /// # Errors
    /// When the database refuses: then what they announce must not be done.
    pub fn append(&self, rollout: &RolloutId, events: &[(Timestamp, Event)]) -> Result<(), StoreError> {
        let texts: Vec<(String, String)> = events
            .iter()
            .map(|(time, event)| Ok((time.to_string(), serde_json::to_string(event)?)))
            .collect::<Result<_, serde_json::Error>>()
            .map_err(|source| StoreError::Event { rollout: rollout.to_string(), seq: 0, source })?;
        self.with(|connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO events (rollout, seq, time, event)
                     SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3 FROM events WHERE rollout = ?1",
                )?;
                for (time, event) in &texts {
                    insert.execute(params![rollout.as_str(), time, event])?;
                }
            }
            transaction.commit()
        })
    }

    /// All rollouts, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rollouts(&self) -> Result<Vec<RolloutRecord>, StoreError> {
        self.with(|connection| {
            let sql = format!("{SELECT} ORDER BY id DESC");
            let mut select = connection.prepare(&sql)?;
            let rows = select.query_map([], read_record)?;
            rows.collect()
        })
    }

    /// One rollout; none when there is no such.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rollout(&self, id: &RolloutId) -> Result<Option<RolloutRecord>, StoreError> {
        self.with(|connection| {
            connection.query_row(&format!("{SELECT} WHERE id = ?1"), [id.as_str()], read_record).optional()
        })
    }

    /// The events of a rollout, in order.
    ///
    /// # Errors
    /// When the database cannot be read, or an event is of a newer version.
    pub fn events(&self, id: &RolloutId) -> Result<Vec<(Timestamp, Event)>, StoreError> {
        let rows: Vec<(u64, String, String)> = self.with(|connection| {
            let mut select =
                connection.prepare("SELECT seq, time, event FROM events WHERE rollout = ?1 ORDER BY seq")?;
            let rows = select.query_map([id.as_str()], |row| {
                Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?, row.get(2)?))
            })?;
            rows.collect()
        })?;
        rows.into_iter()
            .map(|(seq, time, event)| {
                let error = |source| StoreError::Event { rollout: id.to_string(), seq, source };
                let time = time.parse().map_err(|e| error(serde::de::Error::custom(e)))?;
                Ok((time, serde_json::from_str(&event).map_err(error)?))
            })
            .collect()
    }
}

const SELECT: &str = "SELECT id, certificate, version, playbook, plan, started,
     (SELECT json_extract(event, '$.outcome') FROM events
       WHERE rollout = rollouts.id AND json_extract(event, '$.event') = 'rollout.finished'
       ORDER BY seq DESC LIMIT 1)
   FROM rollouts";

fn read_record(row: &Row<'_>) -> rusqlite::Result<RolloutRecord> {
    fn parsed<T: std::str::FromStr>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
    where
        T::Err: ToString,
    {
        let text: String = row.get(at)?;
        text.parse().map_err(|error: T::Err| {
            rusqlite::Error::FromSqlConversionFailure(
                at,
                rusqlite::types::Type::Text,
                error.to_string().into(),
            )
        })
    }
    let outcome: Option<String> = row.get(6)?;
    Ok(RolloutRecord {
        id: parsed(row, 0)?,
        certificate: parsed(row, 1)?,
        version: parsed(row, 2)?,
        playbook: row.get(3)?,
        plan: row.get(4)?,
        started: parsed(row, 5)?,
        outcome: outcome.and_then(|word| serde_json::from_value(word.into()).ok()),
    })
}

/// The journal of one rollout, as the engine writes it.
#[derive(Debug, Clone)]
pub struct RolloutJournal {
    journal: Journal,
    rollout: RolloutId,
}

impl Journal {
    /// The journal of one rollout.
    pub fn of(&self, rollout: &RolloutId) -> RolloutJournal {
        RolloutJournal { journal: self.clone(), rollout: rollout.clone() }
    }
}

impl ports::Journal for RolloutJournal {
    async fn append(&self, events: Vec<(Timestamp, Event)>) -> Result<(), ports::JournalError> {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || this.journal.append(&this.rollout, &events)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ports::JournalError { reason: reason(&error) }),
            Err(error) => Err(ports::JournalError { reason: error.to_string() }),
        }
    }
}

fn reason(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("failed to {error}: {source}"),
        None => format!("failed to {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    fn record(id: &RolloutId) -> RolloutRecord {
        RolloutRecord {
            id: id.clone(),
            certificate: "a.test".parse().unwrap(),
            version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
            playbook: "playbooks/a.yaml".to_owned(),
            plan: "{}".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            outcome: None,
        }
    }

    #[test]
    fn events_come_back_in_order_and_the_outcome_is_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let journal = store.journal().unwrap();
        let id = RolloutId::new(1, [0; 10]);
        journal.begin(&record(&id)).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        journal.append(&id, &[(now, Event::Cancelled), (now, Event::Resumed)]).unwrap();
        assert_eq!(journal.rollouts().unwrap(), [record(&id)]);
        let outcome = RolloutOutcome::Interrupted;
        journal.append(&id, &[(now, Event::Finished { outcome })]).unwrap();
        drop(journal);

        let journal = store.journal().unwrap();
        let expected = [(now, Event::Cancelled), (now, Event::Resumed), (now, Event::Finished { outcome })];
        assert_eq!(journal.events(&id).unwrap(), expected);
        let finished = RolloutRecord { outcome: Some(outcome), ..record(&id) };
        assert_eq!(journal.rollout(&id).unwrap(), Some(finished));
        assert_eq!(journal.rollout(&RolloutId::new(2, [0; 10])).unwrap(), None);
    }

    #[test]
    fn a_journal_of_a_newer_certwave_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Journal::open(&path), Err(StoreError::Newer { found: 99, .. })));
    }
}
