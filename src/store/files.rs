//! Files that survive a crash and are never readable by others.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::store::StoreError;

/// Makes a folder, and those above it, readable by its owner alone. One that exists stays as it is.
pub(super) fn private_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::file(path))
}

/// Makes a file 0600, and makes one that is not there yet. One that is 0600 already is not opened: its disk may be
/// read-only.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 == 0 => Ok(()),
        Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(0o600)),
        Err(_) => OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop),
    };
    made.map_err(StoreError::file(path))
}

/// The permission bits of a path.
pub(super) fn mode(path: &Path) -> Result<u32, StoreError> {
    let metadata = fs::metadata(path).map_err(StoreError::file(path))?;
    Ok(metadata.permissions().mode() & 0o777)
}

/// Writes a new file, 0600 from its first byte, down to the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::file(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(StoreError::file(path))
}

/// Writes a file, 0600, down to the disk: whole, or as it was before.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let file = nameless(path, bytes)?;
    file.persist(path).map_err(|error| StoreError::file(path)(error.error))?;
    sync_folder(folder_of(path))
}

/// Writes a file, 0600, down to the disk, whole; not where there is one. Says whether it did.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<bool, StoreError> {
    let file = nameless(path, bytes)?;
    let created = match file.persist_noclobber(path) {
        Ok(_) => true,
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(StoreError::file(path)(error.error)),
    };
    sync_folder(folder_of(path)).map(|()| created)
}

/// What is going to be `path`, on the disk, in the same folder. 0600 is what a temporary file has from its beginning.
fn nameless(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
    // Its own words name the temporary file, which says nothing to anybody.
    let file = NamedTempFile::new_in(folder_of(path))
        .map_err(|error| StoreError::file(path)(error.kind().into()))?;
    let mut inner = file.as_file();
    inner.write_all(bytes).and_then(|()| inner.sync_all()).map_err(StoreError::file(path))?;
    Ok(file)
}

/// Removes a file for good. It may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::file(path)(error)),
    }
}

/// Of a bare file name it is the one that we are in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How many bytes are free where a file lies, for this user; none where that cannot be told.
pub(super) fn free(path: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder_of(path)).ok()?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::file(path))
}
