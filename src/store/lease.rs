//! One rollout of a certificate at a time.
//!
//! A row in the journal says who has it and until when; its epoch is checked with every event that is written:
//! who was deposed cannot write, hence does not act. Each epoch has a file that its holder keeps locked: the
//! kernel says at once that a holder is dead, and only one that hangs has to be waited for.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use crate::model::CertificateName;
use crate::store::database::Database;
use crate::store::{StoreError, files};

/// How long a holder that is not heard of keeps it.
const TERM: SignedDuration = SignedDuration::from_secs(60);

/// The right to roll out a certificate.
#[derive(Debug)]
pub struct Lease {
    database: Database,
    fence: Fence,
    _alive: File,
}

/// What is shown with every write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    certificate: CertificateName,
    epoch: i64,
}

impl Fence {
    /// What it is for.
    pub fn certificate(&self) -> &CertificateName {
        &self.certificate
    }

    /// Inside a transaction: still ours, and for a term more; else who has it.
    pub(super) fn prolong(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Result<(), String>> {
        let certificate = self.certificate.as_str();
        let changed = transaction
            .prepare_cached("UPDATE leases SET expires = ?3 WHERE certificate = ?1 AND epoch = ?2")?
            .execute(params![certificate, self.epoch, expiry(Timestamp::now())])?;
        if changed == 1 {
            return Ok(Ok(()));
        }
        let holder = transaction
            .query_row("SELECT holder FROM leases WHERE certificate = ?1", [certificate], |row| row.get(0))
            .optional()?;
        Ok(Err(holder.unwrap_or_else(|| "nobody: the journal was replaced".to_owned())))
    }
}

impl Lease {
    /// How often a holder that writes nothing should prolong it.
    pub const PROLONG_EVERY: Duration = Duration::from_secs(15);

    pub(super) fn take(
        folder: &Path,
        database: &Database,
        certificate: &CertificateName,
        holder: &str,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        files::private_folder(folder)?;
        let file = |epoch: i64| folder.join(format!("{certificate}.{epoch}"));
        let taken = database.with(|connection| {
            // Others wait here until it is decided.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let row: Option<(i64, String, String)> = transaction
                .query_row(
                    "SELECT epoch, holder, expires FROM leases WHERE certificate = ?1",
                    [certificate.as_str()],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )
                .optional()?;
            let before = row.as_ref().map_or(0, |(epoch, _, _)| *epoch);
            if let Some((epoch, holder, expires)) = row
                && expires.parse().is_ok_and(|expires: Timestamp| expires > now)
                && is_locked(&file(epoch))
            {
                return Ok(Err(StoreError::Held { certificate: certificate.to_string(), holder }));
            }
            let alive = match lock(&file(before + 1)) {
                Ok(alive) => alive,
                Err(source) => return Ok(Err(StoreError::file(&file(before + 1))(source))),
            };
            transaction.execute(
                "INSERT OR REPLACE INTO leases (certificate, epoch, holder, expires) VALUES (?1, ?2, ?3, ?4)",
                params![certificate.as_str(), before + 1, holder, expiry(now)],
            )?;
            transaction.commit()?;
            // Nobody looks at it any more.
            let _ = std::fs::remove_file(file(before));
            Ok(Ok((before + 1, alive)))
        })?;
        let (epoch, alive) = taken?;
        let fence = Fence { certificate: certificate.clone(), epoch };
        Ok(Self { database: database.clone(), fence, _alive: alive })
    }

    /// What is shown with every write.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// For a term more.
    ///
    /// # Errors
    /// [`StoreError::Deposed`] when another has it.
    pub(super) fn prolong(database: &Database, fence: &Fence) -> Result<(), StoreError> {
        let held = database.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let held = fence.prolong(&transaction)?;
            transaction.commit().map(|()| held)
        })?;
        held.map_err(|holder| StoreError::Deposed { certificate: fence.certificate.to_string(), holder })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The next one need not wait for the end of the term. Where this fails, it waits.
        let _ = self.database.with(|connection| {
            connection.execute(
                "UPDATE leases SET expires = ?3 WHERE certificate = ?1 AND epoch = ?2",
                params![self.fence.certificate.as_str(), self.fence.epoch, Timestamp::UNIX_EPOCH.to_string()],
            )
        });
    }
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

fn expiry(now: Timestamp) -> String {
    now.checked_add(TERM).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn name() -> CertificateName {
        "a.test".parse().unwrap()
    }

    #[test]
    fn the_second_is_told_who_the_first_is_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let journal = store.journal().unwrap();
        let first = store.lease(&journal, &name(), "rollout 1").unwrap();
        let error = store.lease(&journal, &name(), "rollout 2").unwrap_err();
        assert_eq!(error.to_string(), "start: a rollout of `a.test` is already running: rollout 1");
        drop(first);
        let dead = store.lease(&journal, &name(), "rollout 2").unwrap();
        // Killed: the row says that it lives, the kernel that it does not.
        let Lease { _alive, .. } = &dead;
        _alive.unlock().unwrap();
        store.lease(&journal, &name(), "rollout 3").unwrap();
    }

    #[test]
    fn the_lease_of_a_holder_that_hangs_runs_out_and_it_can_write_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let journal = store.journal().unwrap();
        let hung = store.lease(&journal, &name(), "rollout 1").unwrap();
        let leases = folder.path().join("state/leases");
        let later = |seconds| Timestamp::now() + SignedDuration::from_secs(seconds);
        let take = |now| Lease::take(&leases, &journal.database, &name(), "rollout 2", now);
        assert!(matches!(take(later(50)), Err(StoreError::Held { .. })));
        let second = take(later(61)).unwrap();
        let error = Lease::prolong(&journal.database, &hung.fence()).unwrap_err();
        assert_eq!(error.to_string(), "go on with the rollout of `a.test`: it was taken over by rollout 2");
        Lease::prolong(&journal.database, &second.fence()).unwrap();
        drop(hung);
        // Its end frees nothing that is not its own.
        assert!(matches!(take(Timestamp::now()), Err(StoreError::Held { .. })));
        Lease::prolong(&journal.database, &second.fence()).unwrap();
    }
}
