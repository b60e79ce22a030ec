//! Small file systems of a test's own, which fill up or become read-only. Only root may mount.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::require;

/// Unmounted when dropped, before the folder that it is in goes.
pub(crate) struct Tmpfs {
    at: PathBuf,
}

impl Tmpfs {
    /// Mounted over a folder, whose files it hides; none where nobody may mount.
    pub(crate) fn over(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={size},mode=0700");
        let words = ["-t", "tmpfs", "-o", options.as_str(), "tmpfs"].map(OsStr::new);
        match mount(&[&words[..], &[folder.as_os_str()]].concat()) {
            Ok(()) => Some(Self { at: folder.to_owned() }),
            Err(reason) => {
                require::unmounted(&reason);
                None
            }
        }
    }

    /// Nobody can write there any more, until it is dropped; not even who has a file open, as after an error of the
    /// disk: hence a mount over it, since one that is in use is not made read-only.
    pub(crate) fn read_only(&self) -> ReadOnly {
        let at = self.at.as_os_str();
        mount(&["--bind".as_ref(), at, at]).unwrap();
        let over = ReadOnly(self.at.clone());
        mount(&["-o".as_ref(), "remount,bind,ro".as_ref(), at]).unwrap();
        over
    }

    /// Not a byte of room is left, until it is dropped.
    pub(crate) fn fill(&self) -> Ballast {
        let path = self.at.join(".ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        let error = loop {
            if let Err(error) = file.write_all(&[0; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        Ballast(path)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(&self.at);
    }
}

/// A mount over a file system that only lets it be read.
pub(crate) struct ReadOnly(PathBuf);

impl Drop for ReadOnly {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn mount(arguments: &[&OsStr]) -> Result<(), String> {
    let output = Command::new("mount").args(arguments).output().unwrap();
    let reason = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(reason.trim().to_owned()) }
}

fn unmount(at: &Path) {
    // Lazily: who still has a file open there must not keep it.
    let _ = Command::new("umount").arg("-l").arg(at).status();
}

/// What fills a file system.
pub(crate) struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        // It may be gone with its file system.
        let _ = std::fs::remove_file(&self.0);
    }
}
