//! The demo as a newcomer types it, and that it leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use certwave::lab::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// So many demos run beside each other.
const AT_ONCE: usize = 4;

fn demo(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certwave"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CERTWAVE_")) {
        command.env_remove(name);
    }
    // Another home, but the Envoy that was installed into this one.
    let home = || std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(".local/share");
    let data = std::env::var_os("XDG_DATA_HOME").map_or_else(home, Into::into);
    command.env("XDG_DATA_HOME", data);
    command.arg("demo").args(args).env("TMPDIR", folder).env("HOME", folder).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Whether any process names a file below a folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let commands = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let text = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&text).replace('\0', " "))
    });
    commands.filter(|command| command.contains(&folder)).collect()
}

/// A dead-man switch looks every second whether it is still wanted; all others are gone at once.
fn leaves_no_process(folder: &Path) {
    let switches = |all: &[String]| all.iter().all(|command| command.contains("/.dead-man."));
    let left = processes_of(folder);
    assert!(switches(&left), "{left:?}");
    ends_every_process(folder);
}

fn ends_every_process(folder: &Path) {
    let gone = wait_for(Duration::from_secs(60), || processes_of(folder).is_empty());
    assert!(gone, "{:?}", processes_of(folder));
}

/// One demo of two hosts and what stands before them.
fn runs_and_leaves_nothing_behind(args: &[&str], code: i32, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &[&["--hosts", "2"], args].concat()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "{text}");
    leaves_no_process(folder.path());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its folder is still there");
}

/// Several demos at a time, since they mostly wait.
#[test]
fn it_runs_breaks_and_leaves_nothing_behind() {
    let all: [(&[&str], i32, &str); 8] = [
        (&[], 0, "succeeded: 4 of 4 hosts serve api.lab.test"),
        (&["--break", "config"], 1, "web01 failed before anything live was changed"),
        (&["--break", "key"], 3, "web01 is proven back on its previous certificate"),
        (&["--break", "chain"], 3, "web01 is proven back on its previous certificate"),
        (&["--break", "unreachable"], 1, "web01 could not be reached and was not changed"),
        (&["--break", "haproxy"], 3, "unknown keyword"),
        (&["--break", "envoy"], 3, "does not watch"),
        (&["--break", "mismatch"], 1, "web01 failed before anything live was changed"),
    ];
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&(args, code, words)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    runs_and_leaves_nothing_behind(args, code, words);
                }
            });
        }
    });
}

#[test]
fn interrupted_while_it_starts_it_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &["--hosts", "18"]).spawn().unwrap();
    let mut line = String::new();
    let mut words = BufReader::new(child.stderr.take().unwrap());
    words.read_line(&mut line).unwrap();
    assert!(line.starts_with("starting 20 hosts"), "{line}");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    words.lines().for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    leaves_no_process(folder.path());
}

/// Killed at different moments: while servers start, one of them has only just begun.
#[test]
fn killed_it_leaves_no_server_behind() {
    for servers in [1, 2, 3, 5, 8] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = demo(folder.path(), &["--hosts", "6"]).spawn().unwrap();
        let started = || {
            let all = processes_of(folder.path());
            all.iter().filter(|command| command.contains("nginx:") || command.contains("sshd")).count()
        };
        let up = wait_for(Duration::from_secs(60), || started() >= servers);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(up, "only {} servers ever came up", started());
        ends_every_process(folder.path());
    }
}
