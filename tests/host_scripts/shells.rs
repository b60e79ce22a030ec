//! The shells that hosts have, and their tools.

use std::sync::LazyLock;

use crate::require;
use crate::support::words;

/// A shell that hosts have as `sh`, with the awk that comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    /// Debian, whose awk is mawk.
    Dash,
    /// Red Hat, whose awk is gawk.
    Bash,
    /// Alpine: every tool is busybox's, and there is no flock.
    Busybox,
}

pub(crate) const SHELLS: [Shell; 3] = [Shell::Dash, Shell::Bash, Shell::Busybox];

impl Shell {
    /// Whether a test can take a tool away from its hosts, or put another in its place.
    pub(crate) fn follows_path(self) -> bool {
        self != Shell::Busybox || require::busybox_that_follows_path()
    }

    /// Those whose hosts' tools a test can replace.
    pub(crate) fn that_follow_path() -> impl Iterator<Item = Shell> {
        SHELLS.into_iter().filter(|shell| shell.follows_path())
    }
}

/// Every awk that a host may have; Debian 12 and 13 have different ones as `mawk` and as `original-awk`.
pub(crate) const AWKS: [&str; 4] = ["mawk", "gawk", "original-awk", "busybox"];

pub(crate) const TOOLS: [&str; 42] = [
    "awk",
    "cat",
    "chmod",
    "chown",
    "cmp",
    "cp",
    "cut",
    "date",
    "df",
    "expr",
    "getent",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mount",
    "mv",
    "printf",
    "ps",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "sha256sum",
    "sleep",
    "sort",
    "setsid",
    "stat",
    "sync",
    "tail",
    "tar",
    "timeout",
    "touch",
    "tr",
    "true",
    "umount",
    "unshare",
    "wc",
    "kill",
    "env",
];

/// A test of its own for each shell: the machine may run them at the same time.
macro_rules! each_shell {
    ($($name:ident: $test:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn dash() {
                ($test)(Shell::Dash);
            }

            #[test]
            fn bash() {
                ($test)(Shell::Bash);
            }

            #[test]
            fn busybox() {
                ($test)(Shell::Busybox);
            }
        }
    )*};
}
pub(crate) use each_shell;

/// Runs a test that mostly waits with every shell at the same time.
pub(crate) fn in_every_shell(test: impl Fn(Shell) + Sync) {
    std::thread::scope(|scope| {
        let tests = SHELLS.map(|shell| {
            let test = &test;
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            std::thread::Builder::new().name(name).spawn_scoped(scope, move || test(shell)).unwrap()
        });
        for test in tests {
            if let Err(panic) = test.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

pub(crate) fn busybox_has(tool: &str) -> bool {
    static APPLETS: LazyLock<String> = LazyLock::new(|| words("/bin/busybox", &["--list"]));
    APPLETS.lines().any(|applet| applet == tool)
}
