//! The database, and what a failure of it means. SQLite has many codes for a disk without room, and its words for most of
//! them do not speak of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::store::holder::Holder;
use crate::store::schema::Import;
use crate::store::{StoreError, files, schema};

/// Less than this, in bytes, is no room for the database to work in.
const ROOM: u64 = 1 << 20;

/// The name of the database in its folder.
pub(super) const NAME: &str = "journal.db";

/// The database that holds the journal, its leases, and what people asked for. Clones share one connection.
#[derive(Debug, Clone)]
pub(super) struct Database {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl Database {
    /// Opens it, and makes it where it is missing. One of an earlier format is brought up to the present one, and gets
    /// the facts that `import` finds.
    pub(super) fn open(
        path: &Path,
        import: impl FnOnce() -> Result<Vec<Import>, StoreError>,
    ) -> Result<Self, StoreError> {
        let error = |source| failed(path, source);
        // SQLite gives its files beside it the permissions of this one; an earlier certwave left it to the umask.
        files::make_private(path)?;
        for beside in ["-wal", "-shm"].map(|end| path.with_file_name(format!("{NAME}{end}"))) {
            if beside.exists() {
                files::make_private(&beside)?;
            }
        }
        let mut connection = Connection::open(path).map_err(error)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(error)?;
        // Full: a commit is on the disk when it returns, since what it announces is done next.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
            .map_err(error)?;
        let found: u32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(error)?;
        if found > schema::FORMAT {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::FORMAT });
        }
        if found < schema::FORMAT {
            let facts = import()?;
            schema::bring_up(&mut connection, &facts).map_err(error)?;
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.to_owned() })
    }

    pub(super) fn with<T>(
        &self,
        mut use_it: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        // A panic elsewhere does not make a database handle invalid: its transaction was rolled back.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let source = match use_it(&mut connection) {
                Ok(value) => return Ok(value),
                Err(source) => source,
            };
            // Nothing was written: a transaction that does not begin has no effect.
            if source.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) {
                return Err(failed(&self.path, source));
            }
            let Some(holder) = Holder::of(&self.path) else { return Err(failed(&self.path, source)) };
            if !self.may_end(&connection, &holder) || !holder.end() {
                return Err(StoreError::Busy { path: self.path.clone(), holder: holder.to_string() });
            }
            tracing::warn!("{holder}: its lease is over, and it was ended");
        }
    }

    /// Whether a stopped controller may be ended: it is ours, and all that it had leased has run out. Reading is possible all the time.
    fn may_end(&self, connection: &Connection, holder: &Holder) -> bool {
        let now = jiff::Timestamp::now();
        let leases = || -> rusqlite::Result<Vec<(String, String)>> {
            let mut select = connection.prepare("SELECT holder, expires FROM leases")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        // Whom no lease names may be of another host, or at work on something that has no lease.
        let ends = || -> rusqlite::Result<Vec<bool>> {
            let own = leases()?.into_iter().filter(|(name, _)| holder.holds_lease_of(name));
            Ok(own.map(|(_, expires)| expires.parse().is_ok_and(|end: jiff::Timestamp| end <= now)).collect())
        };
        holder.is_ours_and_stopped()
            && ends().is_ok_and(|ended| !ended.is_empty() && ended.iter().all(|ended| *ended))
    }
}

/// The error for a database that is not there, or not as it should be.
fn failed(path: &Path, source: rusqlite::Error) -> StoreError {
    let full = source.sqlite_error_code() == Some(ErrorCode::DiskFull);
    let broken = source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    let code = source.sqlite_error_code();
    if matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
        return StoreError::DamagedJournal { path: path.to_owned(), source: source.into() };
    }
    if matches!(code, Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)) {
        return StoreError::ReadOnlyJournal { path: path.to_owned(), source: source.into() };
    }
    match files::free(path).filter(|free| full || broken && *free < ROOM) {
        Some(free) => {
            StoreError::NoRoom { path: path.to_owned(), free_kib: free / 1024, source: source.into() }
        }
        None => StoreError::Journal { path: path.to_owned(), source: source.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_called_that() {
        let folder = tempfile::tempdir().unwrap();
        let code = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        // SQLITE_FULL, and SQLITE_IOERR_SHMSIZE on a disk that has room.
        let full = failed(folder.path(), code(13));
        assert!(matches!(full, StoreError::NoRoom { .. }));
        assert!(full.to_string().ends_with("KiB are free on its disk"), "{full}");
        assert!(matches!(failed(folder.path(), code(4874)), StoreError::Journal { .. }));
    }

    #[test]
    fn a_journal_that_is_none_and_one_that_cannot_be_written_have_a_way_out() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "no database, but long enough to be looked at as one".repeat(40)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let damaged = Database::open(&path, || Ok(Vec::new())).unwrap_err();
        assert!(matches!(damaged, StoreError::DamagedJournal { .. }), "{damaged:?}");
        assert!(damaged.hint().unwrap().contains("backup"));
        let failed =
            |code| failed(&path, rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        // SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN and SQLITE_READONLY_DIRECTORY
        for code in [3, 8, 14, 1544] {
            assert!(matches!(failed(code), StoreError::ReadOnlyJournal { .. }), "{code}");
        }
        // SQLITE_CORRUPT, SQLITE_NOTADB and SQLITE_CORRUPT_INDEX
        for code in [11, 26, 779] {
            assert!(matches!(failed(code), StoreError::DamagedJournal { .. }), "{code}");
        }
        // SQLITE_BUSY says nothing of the disk.
        assert!(matches!(failed(5), StoreError::Journal { .. }));
    }
}
