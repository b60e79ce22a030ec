//! A part of this machine's cgroups for each host: two that boot in the same one disturb each other.

use std::fs;
use std::path::{Path, PathBuf};

/// Removed with this value, when nothing runs in it any more.
pub(crate) struct Cgroup(Vec<PathBuf>);

impl Cgroup {
    /// In each hierarchy that systemd knows: both of a hybrid set-up, or the one of cgroup v2.
    pub(crate) fn new(name: &str) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let mut roots: Vec<PathBuf> =
            ["systemd", "unified"].iter().map(|part| root.join(part)).filter(|part| part.is_dir()).collect();
        if roots.is_empty() {
            roots.push(root.to_owned());
        }
        let own: Vec<PathBuf> = roots.iter().map(|root| root.join(name)).collect();
        own.iter().for_each(|path| {
            fs::create_dir_all(path).unwrap_or_else(|error| panic!("make cgroup {}: {error}", path.display()))
        });
        Self(own)
    }

    /// Shell text that moves the shell there.
    pub(crate) fn enter(&self) -> String {
        self.0.iter().map(|path| format!("echo $$ >'{}/cgroup.procs' || exit 9\n", path.display())).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.0.iter().for_each(|path| remove(path));
    }
}

/// A cgroup's folder goes once those in it are gone; its files are the kernel's.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}
