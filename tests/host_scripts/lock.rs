//! The lock on a host.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use certwave::install::{LockAnswer, SudoLogs};
use certwave::lab::wait_for;

use crate::support::{Host, PATIENCE, SHELLS, Shell, within};

/// A lock script that is killed when dropped, as a lost connection would end it.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn take(host: &Host, who: &str) -> (LockAnswer, Held) {
    let mut held = Held(host.login_command(&host.attending(who)).spawn().unwrap());
    let mut out = BufReader::new(held.0.stdout.take().unwrap());
    let line = within(None, move || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    });
    (LockAnswer::parse(&line).unwrap_or_else(|| panic!("{:?} said {line:?}", host.shell)), held)
}

fn take_soon(host: &Host, who: &str) -> Held {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (answer, held) = take(host, who);
        if answer == LockAnswer::Locked(SudoLogs::default()) {
            return held;
        }
        assert!(Instant::now() < deadline, "{:?} still says {answer:?}", host.shell);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A controller that was killed leaves a step that comes to its end by itself.
#[test]
fn a_lock_that_is_let_go_in_a_moment_is_waited_for() {
    for shell in [Shell::Dash, Shell::Bash] {
        let host = Host::new(shell);
        let (_, first) = take(&host, "first");
        let mut second = Held(host.login_command(&host.attending("second")).spawn().unwrap());
        // It has opened the lock, which the first one holds.
        let lock = format!("/proc/{}/fd/9", second.0.id());
        assert!(wait_for(PATIENCE, || std::fs::read_link(&lock).is_ok()), "{shell:?}");
        drop(first);
        let mut line = String::new();
        BufReader::new(second.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(
            LockAnswer::parse(&line),
            Some(LockAnswer::Locked(SudoLogs::default())),
            "{shell:?}: {line}"
        );
    }
}

#[test]
fn one_rollout_at_a_time_and_the_second_is_told_who() {
    for shell in SHELLS {
        let host = Host::new(shell);
        let (answer, mut first) = take(&host, "01JD on ops1 (it's me)");
        assert_eq!(answer, LockAnswer::Locked(SudoLogs::default()), "{shell:?}");
        for _ in 0..2 {
            let (answer, _) = take(&host, "second");
            assert_eq!(answer, LockAnswer::Busy("01JD on ops1 (it's me)".to_owned()), "{shell:?}");
        }
        let ended = host.run(&host.attending("third"));
        assert_eq!(ended.status, 75);
        assert_eq!(
            LockAnswer::failure(&ended.output()).to_string(),
            "another rollout holds the lock: 01JD on ops1 (it's me)"
        );
        // The end of its input is the end of the lock.
        drop(first.0.stdin.take());
        assert!(first.0.wait().unwrap().success());
        assert!(!host.directory().join(".lock.held").is_symlink(), "{shell:?}");
        let second = take_soon(&host, "second");
        // A killed holder holds nothing.
        drop(second);
        drop(take_soon(&host, "third"));
    }
}

#[test]
fn a_lost_connection_of_the_same_rollout_holds_nothing() {
    for shell in SHELLS {
        let host = Host::new(shell);
        // Nobody told the host that it is lost: its input stays open.
        let (_, mut lost) = take(&host, "rollout 1 by process 7 on ops1");
        let (answer, _) = take(&host, "rollout 2 by process 8 on ops1");
        assert_eq!(answer, LockAnswer::Busy("rollout 1 by process 7 on ops1".to_owned()), "{shell:?}");
        let (answer, mut held) = take(&host, "rollout 1 by process 9 on ops2");
        assert_eq!(answer, LockAnswer::Locked(SudoLogs::default()), "{shell:?}");
        assert!(!lost.0.wait().unwrap().success());
        let (answer, _) = take(&host, "rollout 2 by process 8 on ops1");
        assert_eq!(answer, LockAnswer::Busy("rollout 1 by process 9 on ops2".to_owned()), "{shell:?}");
        drop(held.0.stdin.take());
        assert!(held.0.wait().unwrap().success());
        drop(take_soon(&host, "rollout 2 by process 8 on ops1"));
    }
}

/// A process that came to the number of a lost connection's shell is none of ours.
#[test]
fn only_a_process_that_has_the_lock_open_is_ended() {
    for shell in SHELLS.into_iter().filter(|shell| *shell != Shell::Busybox) {
        let host = Host::new(shell);
        let (_, holder) = take(&host, "rollout 1 by process 7 on ops1");
        let mut stranger = Held(Command::new("sleep").arg("1000").spawn().unwrap());
        let words = format!("rollout 1 by process 7 on ops1\n{}\n", stranger.0.id());
        std::fs::write(host.directory().join(".lock"), words).unwrap();
        let (answer, _) = take(&host, "rollout 1 by process 9 on ops2");
        assert_eq!(answer, LockAnswer::Busy("rollout 1 by process 7 on ops1".to_owned()), "{shell:?}");
        assert_eq!(stranger.0.try_wait().unwrap(), None, "{shell:?}");
        drop(holder);
    }
}

/// Without flock, a link names the process that holds the lock, and when that began.
#[test]
fn a_process_that_came_to_the_number_of_a_holder_holds_nothing() {
    let host = Host::new(Shell::Busybox);
    std::fs::create_dir(host.directory()).unwrap();
    let stranger = Held(Command::new("sleep").arg("1000").spawn().unwrap());
    let words = format!("{} 1 rollout 1 by process 7 on ops1", stranger.0.id());
    std::os::unix::fs::symlink(words, host.directory().join(".lock.held")).unwrap();
    let (answer, _) = take(&host, "rollout 2 by process 8 on ops1");
    assert_eq!(answer, LockAnswer::Locked(SudoLogs::default()));
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    for shell in SHELLS {
        let host = Host::new(shell);
        std::fs::write(host.directory(), "in the way").unwrap();
        let ended = host.run(&host.attending("me"));
        let error = LockAnswer::failure(&ended.output()).to_string();
        assert!(error.contains("cannot be written to"), "{shell:?}: {error}");
    }
}

/// As one does that ends just now: its lock says no longer whose it is.
#[test]
fn a_lock_that_is_about_to_be_free_is_waited_for() {
    for shell in SHELLS.into_iter().filter(|shell| *shell != Shell::Busybox) {
        let mut host = Host::new(shell);
        let (_, mut first) = take(&host, "first");
        std::fs::write(host.directory().join(".lock"), "").unwrap();
        // Whoever waits sleeps in between.
        let slept = host.file("slept");
        host.shim("sleep", &format!(": >'{}'\nexec \"$real\" \"$@\"", slept.display()));
        let second = std::thread::scope(|scope| {
            let second = scope.spawn(|| take(&host, "second"));
            assert!(wait_for(PATIENCE, || slept.exists() || second.is_finished()));
            drop(first.0.stdin.take());
            second.join().unwrap()
        });
        assert_eq!(second.0, LockAnswer::Locked(SudoLogs::default()), "{shell:?}");
        assert!(slept.exists(), "{shell:?}");
    }
}
