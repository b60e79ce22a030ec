//! One operation on a certificate at a time.
//!
//! A row in the journal says who has it and until when; its epoch is checked with every fact that is written:
//! who was deposed cannot write, hence does not act. Each epoch has a file that its holder keeps locked: the
//! kernel says at once that a holder is dead, and only one that hangs has to be waited for.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use crate::model::CertificateName;
use crate::ports::{self, HeldLease, LeaseToken, Leases};
use crate::store::database::Database;
use crate::store::{StoreError, files};

/// For how long a lease is held after its last heartbeat, and how often that beats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    term: SignedDuration,
    beat: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { term: SignedDuration::from_secs(60), beat: Duration::from_secs(15) }
    }
}

/// Leases as rows of the journal's database.
#[derive(Debug, Clone)]
pub struct SqliteLeases {
    /// Where holders keep a file locked.
    folder: PathBuf,
    database: Database,
}

impl SqliteLeases {
    pub(super) fn new(folder: PathBuf, database: Database) -> Self {
        Self { folder, database }
    }
}

impl Leases for SqliteLeases {
    /// The operating system takes it back when the process dies, however it dies; of a process that hangs it runs out.
    fn take(&self, certificate: &CertificateName, holder: &str) -> Result<ports::Lease, StoreError> {
        let Self { folder, database } = self;
        let lease = Lease::take(folder, database, certificate, holder, Timestamp::now(), Terms::default())?;
        Ok(Arc::new(lease))
    }

    fn holder(&self, certificate: &CertificateName) -> Result<Option<String>, StoreError> {
        let row = self.database.with(|connection| read(connection, certificate))?;
        let file = |epoch: i64| self.folder.join(format!("{certificate}.{epoch}"));
        let held = row.filter(|row| row.is_held(Timestamp::now(), &file(row.epoch)));
        Ok(held.map(|row| row.holder))
    }
}

/// A lease that is held.
#[derive(Debug)]
struct Lease {
    database: Database,
    token: LeaseToken,
    terms: Terms,
    _alive: File,
    /// Ends the heartbeat when dropped.
    stop: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

impl HeldLease for Lease {
    fn token(&self) -> &LeaseToken {
        &self.token
    }

    fn check(&self) -> Result<(), StoreError> {
        let held = self.database.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let held = prolong(&transaction, &self.token, self.terms)?;
            transaction.commit().map(|()| held)
        })?;
        held.map_err(|holder| deposed(&self.token, holder))
    }
}

/// The error of who lost a lease.
pub(super) fn deposed(token: &LeaseToken, holder: String) -> StoreError {
    StoreError::Deposed { certificate: token.certificate.to_string(), holder }
}

impl Lease {
    fn take(
        folder: &Path,
        database: &Database,
        certificate: &CertificateName,
        holder: &str,
        now: Timestamp,
        terms: Terms,
    ) -> Result<Self, StoreError> {
        files::private_folder(folder)?;
        let file = |epoch: i64| folder.join(format!("{certificate}.{epoch}"));
        let taken = database.with(|connection| {
            // Others wait here until it is decided.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let row = read(&transaction, certificate)?;
            let before = row.as_ref().map_or(0, |row| row.epoch);
            if let Some(row) = row
                && row.is_held(now, &file(before))
            {
                let (certificate, holder) = (certificate.to_string(), row.holder);
                return Ok(Err(StoreError::Held { certificate, holder }));
            }
            let alive = match lock(&file(before + 1)) {
                Ok(alive) => alive,
                Err(source) => return Ok(Err(StoreError::file(&file(before + 1))(source))),
            };
            transaction.execute(
                "INSERT OR REPLACE INTO leases (certificate, epoch, holder, expires) VALUES (?1, ?2, ?3, ?4)",
                params![certificate.as_str(), before + 1, holder, expiry(now, terms)],
            )?;
            transaction.commit()?;
            // Nobody looks at it any more.
            let _ = std::fs::remove_file(file(before));
            Ok(Ok((before + 1, alive)))
        })?;
        let (epoch, alive) = taken?;
        let (stop, stopped) = channel::<()>();
        let (database, token) = (database.clone(), LeaseToken { certificate: certificate.clone(), epoch });
        let beats = {
            let (database, token) = (database.clone(), token.clone());
            // A thread of its own: it beats whatever the runtime, or a person at a question, is busy with.
            std::thread::spawn(move || {
                while stopped.recv_timeout(terms.beat) == Err(RecvTimeoutError::Timeout) {
                    // Where this fails, or another has it, the next write finds out.
                    let _ = database.with(|connection| {
                        let transaction =
                            connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                        let _ = prolong(&transaction, &token, terms)?;
                        transaction.commit()
                    });
                }
            })
        };
        Ok(Self { database, token, terms, _alive: alive, stop: Some(stop), beats: Some(beats) })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(beats) = self.beats.take() {
            // A heartbeat that panicked has nothing more to say.
            let _ = beats.join();
        }
        // The next one need not wait for the end of the term. Where this fails, it waits.
        let LeaseToken { certificate, epoch } = &self.token;
        let _ = self.database.with(|connection| {
            connection.execute(
                "UPDATE leases SET expires = ?3 WHERE certificate = ?1 AND epoch = ?2",
                params![certificate.as_str(), epoch, Timestamp::UNIX_EPOCH.to_string()],
            )
        });
    }
}

/// What the journal says of a lease.
struct Row {
    epoch: i64,
    holder: String,
    expires: String,
}

impl Row {
    fn is_held(&self, now: Timestamp, file: &Path) -> bool {
        self.expires.parse().is_ok_and(|expires: Timestamp| expires > now) && is_locked(file)
    }
}

fn read(connection: &rusqlite::Connection, certificate: &CertificateName) -> rusqlite::Result<Option<Row>> {
    let sql = "SELECT epoch, holder, expires FROM leases WHERE certificate = ?1";
    let row =
        |row: &rusqlite::Row<'_>| Ok(Row { epoch: row.get(0)?, holder: row.get(1)?, expires: row.get(2)? });
    connection.query_row(sql, [certificate.as_str()], row).optional()
}

/// Inside a transaction: still ours, and for a term more; else who has it.
pub(super) fn prolong(
    transaction: &Transaction<'_>,
    LeaseToken { certificate, epoch }: &LeaseToken,
    terms: Terms,
) -> rusqlite::Result<Result<(), String>> {
    let changed = transaction
        .prepare_cached("UPDATE leases SET expires = ?3 WHERE certificate = ?1 AND epoch = ?2")?
        .execute(params![certificate.as_str(), epoch, expiry(Timestamp::now(), terms)])?;
    if changed == 1 {
        return Ok(Ok(()));
    }
    let holder = read(transaction, certificate)?.map(|row| row.holder);
    Ok(Err(holder.unwrap_or_else(|| "nobody: the journal was replaced".to_owned())))
}

fn lock(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.try_lock()?;
    Ok(file)
}

/// Whether its holder lives. Where nobody can tell, it does until its term is over.
fn is_locked(path: &Path) -> bool {
    match File::open(path).map(|file| file.try_lock()) {
        Ok(Ok(())) => false,
        Ok(Err(TryLockError::WouldBlock)) => true,
        Ok(Err(TryLockError::Error(_))) => true,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

fn expiry(now: Timestamp, terms: Terms) -> String {
    now.checked_add(terms.term).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn name() -> CertificateName {
        "a.test".parse().unwrap()
    }

    struct Shared {
        _folder: tempfile::TempDir,
        leases: SqliteLeases,
    }

    fn shared() -> Shared {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let leases = store.leases(&store.journal().unwrap());
        Shared { _folder: folder, leases }
    }

    impl Shared {
        fn take(&self, holder: &str, now: Timestamp, terms: Terms) -> Result<Lease, StoreError> {
            Lease::take(&self.leases.folder, &self.leases.database, &name(), holder, now, terms)
        }
    }

    /// As if its process were stopped: the heart no longer beats.
    fn hang(lease: &mut Lease) {
        drop(lease.stop.take());
        lease.beats.take().unwrap().join().unwrap();
    }

    fn later(seconds: i64) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn the_second_is_told_who_the_first_is_until_it_is_gone() {
        let Shared { _folder, leases } = shared();
        let first = leases.take(&name(), "rollout 1").unwrap();
        let error = leases.take(&name(), "rollout 2").unwrap_err();
        assert_eq!(error.to_string(), "start: a rollout of `a.test` is already running: rollout 1");
        assert_eq!(leases.holder(&name()).unwrap().as_deref(), Some("rollout 1"));
        // It is held for as long as any part of the operation has it.
        let shared = first.clone();
        drop(first);
        assert!(leases.take(&name(), "rollout 2").is_err());
        drop(shared);
        assert_eq!(leases.holder(&name()).unwrap(), None);
        let now = Timestamp::now();
        let dead = Lease::take(&leases.folder, &leases.database, &name(), "rollout 2", now, Terms::default());
        // Killed: the row says that it lives, the kernel that it does not.
        dead.unwrap()._alive.unlock().unwrap();
        assert_eq!(leases.holder(&name()).unwrap(), None);
        leases.take(&name(), "rollout 3").unwrap();
    }

    #[test]
    fn the_lease_of_a_holder_that_hangs_runs_out_and_it_can_write_no_more() {
        let shared = shared();
        let mut hung = shared.take("rollout 1", Timestamp::now(), Terms::default()).unwrap();
        hang(&mut hung);
        let take = |now| shared.take("rollout 2", now, Terms::default());
        assert!(matches!(take(later(50)), Err(StoreError::Held { .. })));
        let second = take(later(61)).unwrap();
        let error = hung.check().unwrap_err();
        assert_eq!(error.to_string(), "go on with the rollout of `a.test`: it was taken over by rollout 2");
        second.check().unwrap();
        drop(hung);
        // Its end frees nothing that is not its own.
        assert!(matches!(take(Timestamp::now()), Err(StoreError::Held { .. })));
        second.check().unwrap();
    }

    #[test]
    fn a_lease_ends_in_the_moment_that_was_said() {
        let shared = shared();
        let start = Timestamp::now();
        let mut hung = shared.take("rollout 1", start, Terms::default()).unwrap();
        hang(&mut hung);
        let end = start + SignedDuration::from_secs(60);
        assert_eq!(expires(&shared.leases), end);
        let take = |now| shared.take("rollout 2", now, Terms::default());
        let before = end - SignedDuration::from_nanos(1);
        assert!(matches!(take(before), Err(StoreError::Held { ref holder, .. }) if holder == "rollout 1"));
        let second = take(end).unwrap();
        assert_eq!(second.token().epoch, hung.token().epoch + 1);
    }

    #[test]
    fn the_lease_of_a_holder_that_was_killed_is_free_at_once() {
        let shared = shared();
        let mut killed = shared.take("rollout 1", Timestamp::now(), Terms::default()).unwrap();
        hang(&mut killed);
        // What the kernel does when a process ends. The row has most of its term to go.
        killed._alive.unlock().unwrap();
        assert_eq!(shared.leases.holder(&name()).unwrap(), None);
        let second = shared.take("rollout 2", Timestamp::now(), Terms::default()).unwrap();
        assert_eq!(shared.leases.holder(&name()).unwrap().as_deref(), Some("rollout 2"));
        second.check().unwrap();
    }

    #[test]
    fn a_lease_whose_file_is_gone_is_nobodys() {
        let shared = shared();
        let first = shared.take("rollout 1", Timestamp::now(), Terms::default()).unwrap();
        let file = |epoch: i64| shared.leases.folder.join(format!("a.test.{epoch}"));
        assert!(file(first.token().epoch).exists());
        std::fs::remove_file(file(first.token().epoch)).unwrap();
        assert_eq!(shared.leases.holder(&name()).unwrap(), None);
        let second = shared.take("rollout 2", Timestamp::now(), Terms::default()).unwrap();
        // The first finds out before it does anything more.
        assert!(
            matches!(first.check(), Err(StoreError::Deposed { ref holder, .. }) if holder == "rollout 2")
        );
        // Files of those who had it before are not kept.
        let third = second.token().epoch + 1;
        drop((first, second));
        let _third = shared.take("rollout 3", Timestamp::now(), Terms::default()).unwrap();
        assert!(file(third).exists() && !file(third - 1).exists());
    }

    #[test]
    fn a_lease_that_a_new_journal_does_not_know_is_lost_and_each_certificate_has_its_own() {
        let shared = shared();
        let lease = shared.take("rollout 1", Timestamp::now(), Terms::default()).unwrap();
        let other = shared.leases.take(&"b.test".parse().unwrap(), "rollout 2").unwrap();
        shared
            .leases
            .database
            .with(|connection| connection.execute("DELETE FROM leases WHERE certificate = 'a.test'", []))
            .unwrap();
        let words = lease.check().unwrap_err().to_string();
        assert!(words.ends_with("taken over by nobody: the journal was replaced"), "{words}");
        other.check().unwrap();
    }

    #[test]
    fn a_holder_that_only_waits_keeps_it() {
        let shared = shared();
        let terms = Terms { term: SignedDuration::from_millis(400), beat: Duration::from_millis(20) };
        let waiting = shared.take("rollout 1", Timestamp::now(), terms).unwrap();
        let first: Timestamp = expires(&shared.leases);
        // Its first term is over, and others come and look all the time.
        while Timestamp::now() <= first {
            assert!(matches!(
                shared.take("rollout 2", Timestamp::now(), terms),
                Err(StoreError::Held { .. })
            ));
            std::thread::sleep(Duration::from_millis(5));
        }
        waiting.check().unwrap();
    }

    fn expires(leases: &SqliteLeases) -> Timestamp {
        let row = leases.database.with(|connection| read(connection, &name())).unwrap().unwrap();
        row.expires.parse().unwrap()
    }
}
