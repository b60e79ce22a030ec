//! Scripts that sleep until the test lets them go on, and not for a time that the test would have to guess.

use std::fs::File;
use std::sync::LazyLock;

use crate::support::{Host, words};

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
        let (flock, path) = (&*FLOCK, path.display());
        self.shim(
            "sleep",
            &format!("case $1 in 0*) exec \"$real\" \"$@\" ;; esac\nexec {flock} -s '{path}' true"),
        );
        Sleepers { _held: held }
    }
}
