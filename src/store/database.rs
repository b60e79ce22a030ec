//! What a failure of the database means. SQLite has many codes for a disk without room, and its words for most of them do
//! not speak of it.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::{StoreError, files};

/// Less than this, in bytes, is no room for the database to work in.
const ROOM: u64 = 1 << 20;

/// The error for a database that is not there, or not as it should be.
pub(super) fn failed(path: &Path, source: rusqlite::Error) -> StoreError {
    let full = source.sqlite_error_code() == Some(ErrorCode::DiskFull);
    let broken = source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    match files::free(path).filter(|free| full || broken && *free < ROOM) {
        Some(free) => StoreError::NoRoom { path: path.to_owned(), free_kib: free / 1024, source },
        None => StoreError::Journal { path: path.to_owned(), source },
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
}
