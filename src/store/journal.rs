//! The journal: append-only events in SQLite, on the disk before the act that they announce.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use crate::model::RolloutId;
use crate::ports;
use crate::rollout::Event;
use crate::store::database::Database;
use crate::store::hash_chain::{self, Tampered};
use crate::store::lease::{Fence, Lease};
use crate::store::record::{self, RolloutRecord};
use crate::store::{StoreError, schema};

/// The journal. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(super) database: Database,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal, from 1.
    pub seq: i64,
    /// Whose it is.
    pub rollout: RolloutId,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path)? })
    }

    /// Notes that a rollout begins: its record, its whole plan, as JSON, and its first event.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn begin(&self, record: &RolloutRecord, plan: &str) -> Result<(), StoreError> {
        self.database.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
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
            schema::start(&transaction, record.id.as_str(), &started, record.origin.clone())?;
            transaction.commit()
        })
    }

    /// Appends events in one transaction; they are on the disk when this returns. It prolongs the lease, and takes up what
    /// people asked for.
    ///
    /// # Errors
    /// When the database refuses, or the lease is another's by now: then what they announce must not be done.
    pub fn append(
        &self,
        rollout: &RolloutId,
        fence: &Fence,
        events: &[(Timestamp, Event)],
    ) -> Result<(), StoreError> {
        let texts: Vec<(String, String)> = events
            .iter()
            .map(|(time, event)| Ok((time.to_string(), serde_json::to_string(event)?)))
            .collect::<Result<_, serde_json::Error>>()
            .map_err(|source| StoreError::Event { rollout: rollout.to_string(), seq: 0, source })?;
        let held = self.database.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Err(holder) = fence.prolong(&transaction)? {
                return Ok(Err(holder));
            }
            for ((time, text), (_, event)) in texts.iter().zip(events) {
                schema::append(&transaction, rollout.as_str(), time, text)?;
                schema::take_up(&transaction, rollout.as_str(), event, text)?;
            }
            transaction.commit().map(Ok)
        })?;
        held.map_err(|holder| StoreError::Deposed { certificate: fence.certificate().to_string(), holder })
    }

    /// Every event of every rollout, in the order they were written.
    ///
    /// # Errors
    /// Each may be one: the database cannot be read, or an event is of a newer version.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, StoreError>> {
        self.pages(None)
    }

    /// Prolongs a lease for a term more.
    ///
    /// # Errors
    /// [`StoreError::Deposed`] when another has it.
    pub fn prolong(&self, fence: &Fence) -> Result<(), StoreError> {
        Lease::prolong(&self.database, fence)
    }

    /// Whether every event is as it was written: how many there are, or the first that is not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify(&self) -> Result<Result<i64, Tampered>, StoreError> {
        self.database.with(|connection| hash_chain::verify(connection))
    }

    /// All rollouts, newest first: as the journal took them up, whatever the clock said.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rollouts(&self) -> Result<Vec<RolloutRecord>, StoreError> {
        self.database.with(|connection| {
            let mut select = connection.prepare(record::ROLLOUTS)?;
            let rows = select.query_map([], record::read)?;
            rows.collect()
        })
    }

    /// The whole plan of a rollout, as JSON; none when there is no such rollout.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn plan(&self, id: &RolloutId) -> Result<Option<String>, StoreError> {
        self.database.with(|connection| {
            let sql = "SELECT plan FROM rollouts WHERE id = ?1";
            connection.query_row(sql, [id.as_str()], |row| row.get(0)).optional()
        })
    }

    /// The events of a rollout, in order.
    ///
    /// # Errors
    /// Each may be one: the database cannot be read, or an event is of a newer version.
    pub fn events(&self, id: &RolloutId) -> impl Iterator<Item = Result<(Timestamp, Event), StoreError>> {
        self.pages(Some(id.to_string())).map(|entry| entry.map(|entry| (entry.time, entry.event)))
    }

    /// A page after the other: all events of a large fleet at once would take more memory than its rollout, and who reads
    /// slowly must not keep others from the database.
    fn pages(&self, rollout: Option<String>) -> impl Iterator<Item = Result<Entry, StoreError>> {
        // Either way there are two parameters, and an index.
        let of = if rollout.is_some() { "rollout = ?2" } else { "?2 IS NULL" };
        let columns = "seq, rollout, time, event";
        let sql = format!("SELECT {columns} FROM events WHERE seq > ?1 AND {of} ORDER BY seq LIMIT {PAGE}");
        let mut after = Some(0);
        let page = move || {
            let rows = self.rows(&sql, params![after?, rollout]);
            // The last page is the one that is not full.
            after = rows.as_ref().ok().filter(|rows| rows.len() == PAGE).map(|rows| rows[PAGE - 1].seq);
            Some(match rows {
                Ok(rows) => rows.into_iter().map(Line::read).collect(),
                Err(error) => vec![Err(error)],
            })
        };
        std::iter::from_fn(page).flatten()
    }

    fn rows(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Line>, StoreError> {
        self.database.with(|connection| {
            let read = |row: &Row<'_>| {
                Ok(Line { seq: row.get(0)?, rollout: row.get(1)?, time: row.get(2)?, event: row.get(3)? })
            };
            connection.prepare_cached(sql)?.query_map(params, read)?.collect()
        })
    }
}

/// How many events are read at a time.
const PAGE: usize = 500;

/// A row of the journal.
struct Line {
    seq: i64,
    rollout: String,
    time: String,
    event: String,
}

impl Line {
    fn read(self) -> Result<Entry, StoreError> {
        let Self { seq, rollout, time, event } = self;
        let error = |source| StoreError::Event { rollout: rollout.clone(), seq: seq.unsigned_abs(), source };
        let custom = |text: String| error(serde::de::Error::custom(text));
        Ok(Entry {
            seq,
            rollout: rollout.parse().map_err(|e| custom(format!("{e}")))?,
            time: time.parse().map_err(|e| custom(format!("{e}")))?,
            event: serde_json::from_str(&event).map_err(error)?,
        })
    }
}

/// The journal of one rollout, as the engine writes it.
#[derive(Debug, Clone)]
pub struct RolloutJournal {
    journal: Journal,
    rollout: RolloutId,
    fence: Fence,
}

impl Journal {
    /// The journal of one rollout, for who has the lease.
    pub fn of(&self, rollout: &RolloutId, fence: Fence) -> RolloutJournal {
        RolloutJournal { journal: self.clone(), rollout: rollout.clone(), fence }
    }
}

impl ports::Journal for RolloutJournal {
    async fn append(&self, events: Vec<(Timestamp, Event)>) -> Result<(), ports::JournalError> {
        let this = self.clone();
        let written =
            tokio::task::spawn_blocking(move || this.journal.append(&this.rollout, &this.fence, &events))
                .await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ StoreError::Deposed { .. })) => {
                Err(ports::JournalError::Deposed(error.to_string()))
            }
            Ok(Err(error)) => Err(ports::JournalError::Unwritable(reason(&error))),
            Err(error) => Err(ports::JournalError::Unwritable(error.to_string())),
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
    use super::*;
    use crate::rollout::{Origin, RolloutKind, RolloutOutcome};
    use crate::store::{Lease, Store};

    fn record(id: &RolloutId) -> RolloutRecord {
        RolloutRecord {
            id: id.clone(),
            certificate: "a.test".parse().unwrap(),
            version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
            playbook: "playbooks/a.yaml".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            outcome: None,
            origin: Some(Origin { kind: RolloutKind::Rollback, by: "ann@here".to_owned(), hosts: 3 }),
        }
    }

    struct Written {
        folder: tempfile::TempDir,
        journal: Journal,
        lease: Lease,
        id: RolloutId,
    }

    /// A journal with a rollout of four events.
    fn written() -> Written {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let journal = store.journal().unwrap();
        let id = RolloutId::new(1, [0; 10]);
        let lease = store.lease(&journal, &record(&id).certificate, "rollout 1").unwrap();
        journal.begin(&record(&id), "{}").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        journal.append(&id, &lease.fence(), &[(now, Event::Cancelled), (now, Event::Resumed)]).unwrap();
        journal.append(&id, &lease.fence(), &[(now, Event::finished(RolloutOutcome::Interrupted))]).unwrap();
        Written { folder, journal, lease, id }
    }

    #[test]
    fn events_come_back_in_order_and_the_outcome_is_theirs() {
        let Written { folder, journal, lease, id } = written();
        drop((journal, lease));
        let journal = Store::open(&folder.path().join("state")).unwrap().journal().unwrap();
        let events: Vec<Event> = journal.events(&id).map(|event| event.unwrap().1).collect();
        let outcome = RolloutOutcome::Interrupted;
        assert!(matches!(events[0], Event::Started { .. }));
        assert_eq!(events[1..], [Event::Cancelled, Event::Resumed, Event::finished(outcome)]);
        let finished = RolloutRecord { outcome: Some(outcome), ..record(&id) };
        assert_eq!(journal.rollouts().unwrap(), [finished]);
        assert_eq!(journal.plan(&id).unwrap().as_deref(), Some("{}"));
        assert_eq!(journal.plan(&RolloutId::new(2, [0; 10])).unwrap(), None);
        assert_eq!(journal.verify().unwrap(), Ok(4));
    }

    #[test]
    fn a_rollout_that_is_resumed_has_no_outcome_until_it_ends_again() {
        let Written { journal, lease, id, .. } = written();
        let outcome = || journal.rollouts().unwrap()[0].outcome;
        assert_eq!(outcome(), Some(RolloutOutcome::Interrupted));
        let append = |event: Event| journal.append(&id, &lease.fence(), &[(Timestamp::UNIX_EPOCH, event)]);
        append(Event::Resumed).unwrap();
        assert_eq!(outcome(), None);
        append(Event::finished(RolloutOutcome::Succeeded)).unwrap();
        assert_eq!(outcome(), Some(RolloutOutcome::Succeeded));
    }

    #[test]
    fn others_cannot_read_it_whatever_the_umask_was() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state");
        let journal = Store::open(&root).unwrap().journal().unwrap();
        let mode = |name: &str| std::fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
        let all = ["journal.db", "journal.db-wal", "journal.db-shm"];
        assert_eq!(all.map(mode), [0o600; 3]);
        // One that an earlier certwave made, which was killed.
        all.iter().for_each(|name| {
            std::fs::set_permissions(root.join(name), PermissionsExt::from_mode(0o644)).unwrap();
        });
        let _again = Store::open(&root).unwrap().journal().unwrap();
        assert_eq!(all.map(mode), [0o600; 3]);
        drop(journal);
    }

    /// All that this thread has read so far, in bytes.
    fn bytes_read() -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    #[test]
    fn to_list_rollouts_no_plan_is_read() {
        let Written { folder, journal, lease, id } = written();
        let plan = "x".repeat(1_000_000);
        let listed: Vec<RolloutId> = (2..10).rev().map(|at| RolloutId::new(at, [0; 10])).collect();
        listed.iter().rev().for_each(|id| journal.begin(&record(id), &plan).unwrap());
        drop((journal, lease));
        // Nothing of it is in memory.
        let journal = Store::open(&folder.path().join("state")).unwrap().journal().unwrap();
        let before = bytes_read();
        let rollouts = journal.rollouts().unwrap();
        let read = bytes_read() - before;
        assert!(read < 500_000, "{read} bytes");
        let found: Vec<RolloutId> = rollouts.into_iter().map(|rollout| rollout.id).collect();
        assert_eq!(found, [listed, vec![id]].concat());
        assert_eq!(journal.plan(&found[0]).unwrap(), Some(plan));
    }

    #[test]
    fn what_is_longer_than_a_page_is_read_whole() {
        let Written { journal, lease, id, .. } = written();
        // With the four that are there: a page, and no more.
        for more in [PAGE - 4, 1, PAGE] {
            let now = Timestamp::UNIX_EPOCH;
            journal.append(&id, &lease.fence(), &vec![(now, Event::Resumed); more]).unwrap();
            let numbers: Vec<i64> = journal.entries().map(|entry| entry.unwrap().seq).collect();
            let all = journal.verify().unwrap().unwrap();
            assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
            assert_eq!(journal.events(&id).count(), numbers.len());
        }
        let other = RolloutId::new(2, [0; 10]);
        assert_eq!(journal.events(&other).count(), 0);
    }

    #[test]
    fn every_kind_of_edit_is_found_and_named() {
        let rollout = || RolloutId::new(1, [0; 10]).to_string();
        for (sql, found) in [
            (
                "UPDATE events SET time = '2026-01-01T00:00:00Z' WHERE seq = 2",
                Tampered::Changed { seq: 2, rollout: rollout() },
            ),
            (
                "UPDATE events SET event = '{}' WHERE seq = 3",
                Tampered::Changed { seq: 3, rollout: rollout() },
            ),
            (
                "UPDATE events SET hash = hash || '0' WHERE seq = 3",
                Tampered::Changed { seq: 3, rollout: rollout() },
            ),
            ("DELETE FROM events WHERE seq = 2", Tampered::Missing { seq: 2 }),
            ("DELETE FROM events WHERE seq = 4", Tampered::Cut { found: 3, written: 4 }),
            ("UPDATE rollouts SET plan = '[]'", Tampered::Record { seq: 1, rollout: rollout() }),
        ] {
            let written = written();
            written.journal.database.with(|connection| connection.execute(sql, [])).unwrap();
            assert_eq!(written.journal.verify().unwrap(), Err(found), "{sql}");
        }
    }

    #[test]
    fn who_was_deposed_writes_nothing_more() {
        let Written { folder, journal, lease, id } = written();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let fence = lease.fence();
        drop(lease);
        let _second = store.lease(&journal, &record(&id).certificate, "rollout 2").unwrap();
        let event = (Timestamp::UNIX_EPOCH, Event::Resumed);
        let error = journal.append(&id, &fence, &[event]).unwrap_err();
        assert!(matches!(error, StoreError::Deposed { ref holder, .. } if holder == "rollout 2"), "{error}");
        assert_eq!(journal.verify().unwrap(), Ok(4));
    }

    #[test]
    fn a_journal_of_a_newer_certwave_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Journal::open(&path), Err(StoreError::Newer { found: 99, .. })));
    }
}
