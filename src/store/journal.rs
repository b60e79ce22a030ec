//! The journal: append-only facts in SQLite, on the disk before the act that they announce.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::ledger::Fact;
use crate::model::OperationId;
use crate::ports;
use crate::rollout::{Event, RolloutRecord};
use crate::store::database::Database;
use crate::store::hash_chain::{self, Tampered};
use crate::store::lease::Lease;
use crate::store::record;
use crate::store::schema::Import;
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
    /// Whose it is: a rollout, or something else that was done.
    pub operation: OperationId,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub fact: Fact,
}

impl Journal {
    pub(super) fn open(
        path: &Path,
        import: impl FnOnce() -> Result<Vec<Import>, StoreError>,
    ) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, import)? })
    }

    /// Notes that a rollout begins: its record, its whole plan, as JSON, and its first fact.
    ///
    /// # Errors
    /// When the database refuses, or the lease is another's by now.
    pub fn begin(&self, lease: &Lease, record: &RolloutRecord, plan: &str) -> Result<(), StoreError> {
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

    /// Appends facts in one transaction; they are on the disk when this returns. It prolongs the lease, and takes up what
    /// people asked for.
    ///
    /// # Errors
    /// When the database refuses, or the lease is another's by now: then what they announce must not be done.
    pub fn append(
        &self,
        lease: &Lease,
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

    /// Writes in a transaction, if the lease is still ours.
    fn write(
        &self,
        lease: &Lease,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let held = self.database.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Err(holder) = lease.prolong(&transaction)? {
                return Ok(Err(holder));
            }
            write(&transaction)?;
            transaction.commit().map(Ok)
        })?;
        held.map_err(|holder| lease.deposed(holder))
    }

    /// Every fact of every operation, in the order they were written.
    ///
    /// # Errors
    /// Each may be one: the database cannot be read, or a fact is of a newer version.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, StoreError>> {
        self.pages("?2 IS NULL", None)
    }

    /// Every fact that is not a rollout's, in the order they were written.
    ///
    /// # Errors
    /// As [`Journal::entries`].
    pub fn beside_rollouts(&self) -> impl Iterator<Item = Result<Entry, StoreError>> {
        self.pages("kind <> 'rollout' AND ?2 IS NULL", None)
    }

    /// Whether every fact is as it was written: how many there are, or the first that is not.
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
    pub fn plan(&self, id: &OperationId) -> Result<Option<String>, StoreError> {
        self.database.with(|connection| {
            let sql = "SELECT plan FROM rollouts WHERE id = ?1";
            connection.query_row(sql, [id.as_str()], |row| row.get(0)).optional()
        })
    }

    /// The events of a rollout, in order.
    ///
    /// # Errors
    /// Each may be one: the database cannot be read, or an event is of a newer version.
    pub fn events(
        &self,
        id: &OperationId,
    ) -> impl Iterator<Item = Result<(Timestamp, Event), StoreError>> + use<> {
        let entries = self.pages("operation = ?2 AND kind = 'rollout'", Some(id.to_string()));
        entries.filter_map(|entry| match entry {
            Ok(Entry { time, fact: Fact::Rollout(event), .. }) => Some(Ok((time, event))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// A page after the other: all facts of a large fleet at once would take more memory than its rollout, and who reads
    /// slowly must not keep others from the database. `of` is a condition with the parameter `?2`.
    fn pages(
        &self,
        of: &str,
        operation: Option<String>,
    ) -> impl Iterator<Item = Result<Entry, StoreError>> + use<> {
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
        std::iter::from_fn(page).flatten()
    }

    fn rows(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Line>, StoreError> {
        self.database.with(|connection| {
            let read = |row: &Row<'_>| {
                Ok(Line { seq: row.get(0)?, operation: row.get(1)?, time: row.get(2)?, fact: row.get(3)? })
            };
            connection.prepare_cached(sql)?.query_map(params, read)?.collect()
        })
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

/// The journal of one rollout, as the engine writes it. It holds the rollout's lease.
#[derive(Debug, Clone)]
pub struct RolloutJournal {
    journal: Journal,
    rollout: OperationId,
    lease: Lease,
}

impl Journal {
    /// The journal of one rollout, for who has the lease.
    pub fn of(&self, lease: &Lease, rollout: &OperationId) -> RolloutJournal {
        RolloutJournal { journal: self.clone(), rollout: rollout.clone(), lease: lease.clone() }
    }
}

impl ports::Journal for RolloutJournal {
    async fn append(&self, events: Vec<(Timestamp, Event)>) -> Result<(), ports::JournalError> {
        let this = self.clone();
        let facts: Vec<(Timestamp, Fact)> =
            events.into_iter().map(|(time, event)| (time, event.into())).collect();
        let written =
            tokio::task::spawn_blocking(move || this.journal.append(&this.lease, &this.rollout, &facts))
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
    use crate::ledger::Issuance;
    use crate::rollout::{Origin, RolloutKind, RolloutOutcome};
    use crate::store::{Lease, Store};

    fn record(id: &OperationId) -> RolloutRecord {
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
        id: OperationId,
    }

    /// A journal with a rollout of four events.
    fn written() -> Written {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let journal = store.journal().unwrap();
        let id = OperationId::new(1, [0; 10]);
        let lease = store.lease(&journal, &record(&id).certificate, "rollout 1").unwrap();
        journal.begin(&lease, &record(&id), "{}").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        journal.append(&lease, &id, &[(now, Event::Cancelled.into()), (now, Event::Resumed.into())]).unwrap();
        let finished = Event::finished(RolloutOutcome::Interrupted);
        journal.append(&lease, &id, &[(now, finished.into())]).unwrap();
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
        assert_eq!(journal.plan(&OperationId::new(2, [0; 10])).unwrap(), None);
        assert_eq!(journal.verify().unwrap(), Ok(4));
    }

    #[test]
    fn a_rollout_that_is_resumed_has_no_outcome_until_it_ends_again() {
        let Written { journal, lease, id, .. } = written();
        let outcome = || journal.rollouts().unwrap()[0].outcome;
        assert_eq!(outcome(), Some(RolloutOutcome::Interrupted));
        let append = |event: Event| journal.append(&lease, &id, &[(Timestamp::UNIX_EPOCH, event.into())]);
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
        let listed: Vec<OperationId> = (2..10).rev().map(|at| OperationId::new(at, [0; 10])).collect();
        listed.iter().rev().for_each(|id| journal.begin(&lease, &record(id), &plan).unwrap());
        drop((journal, lease));
        // Nothing of it is in memory.
        let journal = Store::open(&folder.path().join("state")).unwrap().journal().unwrap();
        let before = bytes_read();
        let rollouts = journal.rollouts().unwrap();
        let read = bytes_read() - before;
        assert!(read < 500_000, "{read} bytes");
        let found: Vec<OperationId> = rollouts.into_iter().map(|rollout| rollout.id).collect();
        assert_eq!(found, [listed, vec![id]].concat());
        assert_eq!(journal.plan(&found[0]).unwrap(), Some(plan));
    }

    #[test]
    fn what_is_longer_than_a_page_is_read_whole() {
        let Written { journal, lease, id, .. } = written();
        // With the four that are there: a page, and no more.
        for more in [PAGE - 4, 1, PAGE] {
            let now = Timestamp::UNIX_EPOCH;
            journal.append(&lease, &id, &vec![(now, Event::Resumed.into()); more]).unwrap();
            let numbers: Vec<i64> = journal.entries().map(|entry| entry.unwrap().seq).collect();
            let all = journal.verify().unwrap().unwrap();
            assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
            assert_eq!(journal.events(&id).count(), numbers.len());
        }
        let other = OperationId::new(2, [0; 10]);
        assert_eq!(journal.events(&other).count(), 0);
    }

    #[test]
    fn every_kind_of_edit_is_found_and_named() {
        let operation = || OperationId::new(1, [0; 10]).to_string();
        for (sql, found) in [
            (
                "UPDATE facts SET time = '2026-01-01T00:00:00Z' WHERE seq = 2",
                Tampered::Changed { seq: 2, operation: operation() },
            ),
            (
                "UPDATE facts SET fact = '{}' WHERE seq = 3",
                Tampered::Changed { seq: 3, operation: operation() },
            ),
            (
                "UPDATE facts SET hash = hash || '0' WHERE seq = 3",
                Tampered::Changed { seq: 3, operation: operation() },
            ),
            ("DELETE FROM facts WHERE seq = 2", Tampered::Missing { seq: 2 }),
            ("DELETE FROM facts WHERE seq = 4", Tampered::Cut { found: 3, written: 4 }),
            ("UPDATE rollouts SET plan = '[]'", Tampered::Record { seq: 1, rollout: operation() }),
        ] {
            let written = written();
            written.journal.database.with(|connection| connection.execute(sql, [])).unwrap();
            assert_eq!(written.journal.verify().unwrap(), Err(found), "{sql}");
        }
    }

    #[test]
    fn who_was_deposed_writes_nothing_more() {
        let Written { folder: _folder, journal, lease, id } = written();
        let taken = "UPDATE leases SET epoch = epoch + 1, holder = 'rollout 2'";
        journal.database.with(|connection| connection.execute(taken, [])).unwrap();
        let event = (Timestamp::UNIX_EPOCH, Event::Resumed.into());
        let error = journal.append(&lease, &id, &[event]).unwrap_err();
        assert!(matches!(error, StoreError::Deposed { ref holder, .. } if holder == "rollout 2"), "{error}");
        let other = OperationId::new(2, [0; 10]);
        let error = journal.begin(&lease, &record(&other), "{}").unwrap_err();
        assert!(matches!(error, StoreError::Deposed { .. }), "{error}");
        assert_eq!(journal.rollouts().unwrap().len(), 1);
        assert_eq!(journal.verify().unwrap(), Ok(4));
    }

    #[test]
    fn what_happened_before_a_rollout_began_is_not_its_beginning() {
        let Written { folder: _folder, journal, lease, .. } = written();
        let other = OperationId::new(2, [0; 10]);
        let failed = Issuance::Failed {
            certificate: lease.certificate().clone(),
            issuer: "ca".to_owned(),
            reason: "no".to_owned(),
        };
        let early = Timestamp::from_second(-1).unwrap();
        journal.append(&lease, &other, &[(early, failed.clone().into())]).unwrap();
        assert_eq!(journal.rollouts().unwrap().len(), 1);
        journal.begin(&lease, &record(&other), "{}").unwrap();
        let rollouts = journal.rollouts().unwrap();
        assert_eq!((&rollouts[0].id, rollouts[0].started), (&other, Timestamp::UNIX_EPOCH));
        assert_eq!(rollouts[0].origin, record(&other).origin);
        assert_eq!(journal.events(&other).count(), 1);
        let beside: Vec<Fact> = journal.beside_rollouts().map(|entry| entry.unwrap().fact).collect();
        assert_eq!(beside, [Fact::from(failed)]);
        assert_eq!(journal.verify().unwrap(), Ok(6));
    }

    #[test]
    fn a_journal_of_a_newer_certwave_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Journal::open(&path, || Ok(Vec::new())), Err(StoreError::Newer { found: 99, .. })));
    }
}
