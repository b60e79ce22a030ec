//! Scripts that sleep until the test lets them go on, and not for a time that the test would have to guess.

use std::fs::File;
use std::sync::LazyLock;

use crate::support::{Host, read, words};

static FLOCK: LazyLock<String> = LazyLock::new(|| words("sh", &["-c", "command -v flock"]));

/// As long as this is there, whoever sleeps for seconds goes on sleeping; afterwards, nobody sleeps at all. Shorter naps
/// are taken as they are. The kernel drops the lock with the test, after a panic as well: nobody sleeps for ever.
pub(crate) struct Sleepers {
    _held: File,
}

impl Host {
    pub(crate) fn hold_sleepers(&mut self) -> Sleepers {
        let path = self.file("sleepers");
        let held = File::create(&path).unwrap();
        held.lock().unwrap();
        let (flock, path, slept) = (&*FLOCK, path.display(), self.file("slept"));
        let nap = "case $1 in 0*) exec \"$real\" \"$@\" ;; esac";
        let note = format!("echo \"$1\" >>'{}'", slept.display());
        self.shim("sleep", &format!("{nap}\n{note}\nexec {flock} -s '{path}' true"));
        Sleepers { _held: held }
    }

    /// For how many seconds each of them meant to sleep.
    pub(crate) fn slept(&self) -> String {
        read(&self.file("slept"))
    }
}
