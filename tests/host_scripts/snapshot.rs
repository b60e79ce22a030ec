//! What a host looks like, to be put back before the next kill: much faster than getting there again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Copies of files and folders.
pub(crate) struct Snapshot {
    copies: TempDir,
    paths: Vec<PathBuf>,
}

impl Snapshot {
    /// Of these paths, as far as they exist.
    pub(crate) fn of(paths: Vec<PathBuf>) -> Self {
        let snapshot = Self { copies: tempfile::tempdir().unwrap(), paths };
        for (copy, path) in snapshot.pairs() {
            put(path, &copy);
        }
        snapshot
    }

    pub(crate) fn restore(&self) {
        for (copy, path) in self.pairs() {
            put(&copy, path);
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (PathBuf, &PathBuf)> {
        self.paths.iter().enumerate().map(|(at, path)| (self.copies.path().join(at.to_string()), path))
    }
}

/// Puts a copy where something else may stand.
fn put(from: &Path, to: &Path) {
    match fs::symlink_metadata(to) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(to).unwrap(),
        Ok(_) => fs::remove_file(to).unwrap(),
        Err(_) => {}
    }
    copy(from, to);
}

fn copy(from: &Path, to: &Path) {
    let Ok(what) = fs::symlink_metadata(from) else { return };
    if what.is_symlink() {
        symlink(fs::read_link(from).unwrap(), to).unwrap();
    } else if what.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
        fs::set_permissions(to, what.permissions()).unwrap();
    } else {
        // With its mode.
        fs::copy(from, to).unwrap();
    }
}
