//! Who holds the database, where it is held for long. A process that was stopped inside a write (SIGSTOP, Ctrl-Z, a frozen container) blocks
//! everybody else for as long as it is stopped.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The byte of the file `-shm` that a writer locks (SQLite's `WAL_WRITE_LOCK`: `(22 + 8) * 4`, wal.c).
const WRITE_LOCK: &str = "120";

/// A process that holds the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pid: i32,
    name: String,
    is_stopped: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_stopped { "is stopped" } else { "runs" };
        write!(f, "process {} (`{}`) holds it, and {how}", self.pid, self.name)
    }
}

impl Holder {
    /// Who writes to the database of that path just now. The file is not opened for that: to close it again would let go of this process's own
    /// locks (fcntl(2)).
    pub(super) fn of(database: &Path) -> Option<Self> {
        let mut shared = database.as_os_str().to_owned();
        shared.push("-shm");
        let file = std::fs::metadata(shared).ok()?;
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let pid = writer(&locks, file.dev(), file.ino())?;
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let name = read("comm").trim().to_owned();
        let state = read("stat").rsplit(") ").next().and_then(|rest| rest.chars().next());
        Some(Self { pid, name: crate::model::visible(&name), is_stopped: state == Some('T') })
    }

    /// Whether it is this program, of this user, and stopped: then it writes no more, whatever becomes of it.
    pub(super) fn is_ours_and_stopped(&self) -> bool {
        let own = std::fs::metadata("/proc/self/exe");
        let its = std::fs::metadata(format!("/proc/{}/exe", self.pid));
        let user = std::fs::metadata(format!("/proc/{}", self.pid)).map(|process| process.uid());
        let is_ours = match (own, its) {
            (Ok(own), Ok(its)) => (own.dev(), own.ino()) == (its.dev(), its.ino()),
            _ => false,
        } || self.name == "certwave";
        self.is_stopped && is_ours && user.is_ok_and(|uid| uid == nix::unistd::geteuid().as_raw())
    }

    /// Ends it: what it had not written to the end is undone by the database. It would have found itself deposed.
    pub(super) fn end(&self) -> bool {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).is_ok()
    }

    /// As leases name it.
    pub(super) fn holds_lease_of(&self, lease: &str) -> bool {
        let words = format!("process {}", self.pid);
        lease.split_once(&words).is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()))
    }
}

/// Who has the writer's lock on a file: a line is `1: POSIX ADVISORY WRITE PID MAJOR:MINOR:INODE START END` (proc(5), `/proc/locks`).
fn writer(locks: &str, dev: u64, inode: u64) -> Option<i32> {
    let wanted = format!("{:02x}:{:02x}:{inode}", nix::sys::stat::major(dev), nix::sys::stat::minor(dev));
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        // One that waits has an arrow here.
        if words.next() != Some("POSIX") || words.nth(1) != Some("WRITE") {
            return None;
        }
        let pid = words.next()?.parse().ok().filter(|pid| *pid > 0)?;
        (words.next() == Some(&wanted) && words.next() == Some(WRITE_LOCK)).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_is_found_among_all_locks() {
        let locks = "1: POSIX  ADVISORY  READ 11 08:01:77 128 128\n\
                     2: FLOCK  ADVISORY  WRITE 12 08:01:77 0 EOF\n\
                     3: POSIX  ADVISORY  WRITE 13 08:01:78 120 120\n\
                     3: -> POSIX  ADVISORY  WRITE 14 08:01:77 120 120\n\
                     4: POSIX  ADVISORY  WRITE 15 08:01:77 124 124\n\
                     5: POSIX  ADVISORY  WRITE 16 08:01:77 120 120\n";
        let dev = nix::sys::stat::makedev(8, 1);
        assert_eq!(writer(locks, dev, 77), Some(16));
        assert_eq!(writer(locks, dev, 78), Some(13));
        assert_eq!(writer(locks, dev, 79), None);
        // A process of another container.
        assert_eq!(writer("1: POSIX ADVISORY WRITE 0 08:01:77 120 120\n", dev, 77), None);
    }

    #[test]
    fn a_lease_names_its_process() {
        let holder = Holder { pid: 12, name: "certwave".to_owned(), is_stopped: true };
        assert!(holder.holds_lease_of("rollout 1 by process 12 on ops1"));
        assert!(holder.holds_lease_of("rollout 1 by process 12"));
        for other in ["rollout 1 by process 123 on ops1", "rollout 12 by process 1 on ops1", ""] {
            assert!(!holder.holds_lease_of(other), "{other}");
        }
        assert_eq!(holder.to_string(), "process 12 (`certwave`) holds it, and is stopped");
    }
}
