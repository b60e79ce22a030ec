//! The journal: append-only facts in SQLite, on the disk before the act that they announce.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::ledger::Fact;
use crate::model::OperationId;
use crate::ports::{self, Command, Entries, Entry, Events, HeldLease};
use crate::rollout::{Event, RolloutRecord};
use crate::store::database::Database;
use crate::store::hash_chain::{self, Tampered};
use crate::store::lease::{self, Terms};
use crate::store::schema::Import;
use crate::store::{StoreError, commands, record, schema};

/// The journal. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(super) database: Database,
}

impl Journal {
    pub(super) fn open(
        path: &Path,
        import: impl FnOnce() -> Result<Vec<Import>, StoreError>,
    ) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, import)? })
    }

    /// Writes in a transaction, if the lease is still ours.
    fn write(
        &self,
        lease: &dyn HeldLease,
        write: impl Fn(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let held = self.database.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Err(holder) = lease::prolong(&transaction, lease.token(), Terms::default())? {
                return Ok(Err(holder));
            }
            write(&transaction)?;
            transaction.commit().map(Ok)
        })?;
        held.map_err(|holder| lease::deposed(lease.token(), holder))
    }

    /// Every fact of every operation, in the order they were written.
    pub fn entries(&self) -> Entries {
        self.pages("?2 IS NULL", None)
    }

    /// Whether every fact is as it was written: how many there are, or the first that is not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify(&self) -> Result<Result<i64, Tampered>, StoreError> {
        self.database.with(hash_chain::verify)
    }

    /// A page after the other: all facts of a large fleet at once would take more memory than its rollout, and who reads
    /// slowly must not keep others from the database. `of` is a condition with the parameter `?2`.
    fn pages(&self, of: &str, operation: Option<String>) -> Entries {
        let columns = "seq, operation, time, fact";
        let sql = format!("SELECT {columns} FROM facts WHERE seq > ?1 AND {of} ORDER BY seq LIMIT {PAGE}");
        let (this, mut after) = (self.clone(), Some(0));
        let page = move || {
            let rows = this.rows(&sql, params![after?, operation]);
            // The last page is the one that is not full.
            after = rows.as_ref().ok().filter(|rows| rows.len() == PAGE).map(|rows| rows[PAGE - 1].seq);
            Some(match rows {
                Ok(rows) => rows.into_iter().map(Line::read).collect(),
                Err(error) => vec![Err(error)],
            })
        };
        Box::new(std::iter::from_fn(page).flatten())
    }

    fn rows(&self, sql: &str, params: impl rusqlite::Params + Clone) -> Result<Vec<Line>, StoreError> {
        self.database.with(|connection| {
            let read = |row: &Row<'_>| {
                Ok(Line { seq: row.get(0)?, operation: row.get(1)?, time: row.get(2)?, fact: row.get(3)? })
            };
            connection.prepare_cached(sql)?.query_map(params.clone(), read)?.collect()
        })
    }
}

impl ports::Journal for Journal {
    fn begin(&self, lease: &dyn HeldLease, record: &RolloutRecord, plan: &str) -> Result<(), StoreError> {
        self.write(lease, |transaction| {
            let started = record.started.to_string();
            transaction.execute(
                "INSERT INTO rollouts (id, certificate, version, playbook, plan, started)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    record.id.as_str(),
                    record.certificate.as_str(),
                    record.version.as_str(),
                    record.playbook,
                    plan,
                    started
                ],
            )?;
            schema::start(transaction, record.id.as_str(), &started, record.origin.clone())
        })
    }

    fn append(
        &self,
        lease: &dyn HeldLease,
        operation: &OperationId,
        facts: &[(Timestamp, Fact)],
    ) -> Result<(), StoreError> {
        let texts: Vec<(String, String)> = facts
            .iter()
            .map(|(time, fact)| Ok((time.to_string(), serde_json::to_string(fact)?)))
            .collect::<Result<_, serde_json::Error>>()
            .map_err(|source| StoreError::Fact { operation: operation.to_string(), seq: 0, source })?;
        self.write(lease, |transaction| {
            for ((time, text), (_, fact)) in texts.iter().zip(facts) {
                schema::append(transaction, operation.as_str(), fact.kind(), time, text)?;
                schema::take_up(transaction, operation.as_str(), fact, text)?;
            }
            Ok(())
        })
    }

    fn rollouts(&self) -> Result<Vec<RolloutRecord>, StoreError> {
        self.database.with(|connection| {
            let mut select = connection.prepare(record::ROLLOUTS)?;
            let rows = select.query_map([], record::read)?;
            rows.collect()
        })
    }

    fn plan(&self, id: &OperationId) -> Result<Option<String>, StoreError> {
        self.database.with(|connection| {
            let sql = "SELECT plan FROM rollouts WHERE id = ?1";
            connection.query_row(sql, [id.as_str()], |row| row.get(0)).optional()
        })
    }

    fn events(&self, id: &OperationId) -> Events {
        let entries = self.pages("operation = ?2 AND kind = 'rollout'", Some(id.to_string()));
        Box::new(entries.filter_map(|entry| match entry {
            Ok(Entry { time, fact: Fact::Rollout(event), .. }) => Some(Ok((time, event))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }))
    }

    fn beside_rollouts(&self) -> Entries {
        self.pages("kind <> 'rollout' AND ?2 IS NULL", None)
    }

    fn command(&self, rollout: &OperationId, event: &Event) -> Result<(), StoreError> {
        commands::leave(&self.database, rollout, event)
    }

    fn commands(&self, rollout: &OperationId) -> Result<Vec<Command>, StoreError> {
        commands::of(&self.database, rollout)
    }

    fn forget_pauses(&self, rollout: &OperationId) -> Result<(), StoreError> {
        commands::forget_pauses(&self.database, rollout)
    }
}

/// How many facts are read at a time.
const PAGE: usize = 500;

/// A row of the journal.
struct Line {
    seq: i64,
    operation: String,
    time: String,
    fact: String,
}

impl Line {
    fn read(self) -> Result<Entry, StoreError> {
        let Self { seq, operation, time, fact } = self;
        let error =
            |source| StoreError::Fact { operation: operation.clone(), seq: seq.unsigned_abs(), source };
        let custom = |text: String| error(serde::de::Error::custom(text));
        Ok(Entry {
            seq,
            operation: operation.parse().map_err(|e| custom(format!("{e}")))?,
            time: time.parse().map_err(|e| custom(format!("{e}")))?,
            fact: serde_json::from_str(&fact).map_err(error)?,
        })
    }
}

#[cfg(test)]
mod tests;
