//! What a test needs that not every machine has. A test without it is skipped: it says so and passes, or fails where
//! `CERTWAVE_TEST_REQUIRE=all` allows no skipping.

#![allow(dead_code, reason = "no test program has all of these needs")]

use std::io::Write;
use std::process::Command;
use std::sync::LazyLock;

/// How to get a program.
const INSTALL: &str = "`sh tests/setup.sh tests` installs it";
/// How to get a busybox that tests can do with.
const BUSYBOX: &str = "`sh tests/setup.sh tests` installs `busybox` instead of `busybox-static`";
/// How to get root's rights.
const ROOT: &str = "run the tests as root, where root may mount, after `sh tests/setup.sh tests`";

/// Says what a test needs and does not have, even when the test passes.
fn skip(need: &str, remedy: &str) {
    let required = std::env::var("CERTWAVE_TEST_REQUIRE").unwrap_or_default();
    assert!(matches!(required.as_str(), "" | "all"), "`CERTWAVE_TEST_REQUIRE={required}` is not `all`");
    assert!(required.is_empty(), "`CERTWAVE_TEST_REQUIRE=all`, but this test needs {need}: {remedy}");
    note(&format!("it needs {need}: {remedy}"));
}

/// Says what this machine's version of a server cannot show. Nothing that could be installed here changes that.
pub(crate) fn note(reason: &str) {
    let thread = std::thread::current();
    // libtest captures what is printed by macros, and drops it when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {}: {reason}", thread.name().unwrap_or("a part of a test"));
}

/// Whether a program is on the path.
pub(crate) fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    if !there {
        skip(&format!("`{name}`"), INSTALL);
    }
    there
}

/// Whether busybox's shell runs what `PATH` names, so that a test can take a tool away or put another in its place.
/// That of Debian's `busybox-static` runs its own tools all the same.
pub(crate) fn busybox_that_follows_path() -> bool {
    static FOLLOWS: LazyLock<bool> = LazyLock::new(|| {
        let found = Command::new("/bin/busybox").args(["sh", "-c", "command -v cat"]).output();
        found.is_ok_and(|output| output.stdout.starts_with(b"/"))
    });
    if !*FOLLOWS {
        skip("a busybox whose shell runs what `PATH` names", BUSYBOX);
    }
    *FOLLOWS
}

/// Whether root runs the tests; `purpose` is what for.
pub(crate) fn root(purpose: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip(&format!("root {purpose}"), ROOT);
    }
    root
}

/// A test cannot mount what it needs, for a reason that `mount` gave.
pub(crate) fn unmounted(reason: &str) {
    skip(&format!("a mount ({})", reason.lines().next().unwrap_or_default()), ROOT);
}

/// Whether the tests may have mounts of their own.
pub(crate) fn mounts() -> bool {
    let unshared = Command::new("unshare").args(["--mount", "true"]).output();
    let may = unshared.is_ok_and(|output| output.status.success());
    if !may {
        skip("a mount namespace of its own", ROOT);
    }
    may
}
