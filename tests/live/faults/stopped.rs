//! A controller that is stopped inside a write to the journal, as by Ctrl-Z or in a frozen container.

use std::process::Command;
use std::time::Duration;

use certwave::lab::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::Fleet;

const PATIENCE: Duration = Duration::from_secs(60);

fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Ends what is left of it where the test fails.
struct Stopped(i32);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}

/// Others are told which process it is; and once its lease has run out, they go on without it.
#[test]
fn a_controller_that_is_stopped_inside_a_write_blocks_nobody_for_long() {
    if !crate::require::program("strace") {
        return;
    }
    let fleet = Fleet::start(2);
    fleet.roll_out(&[]).expect(0);
    // In the middle of a commit, which the journal's database is locked for.
    let plain = fleet.command(&["rollout", "playbook.yaml", "--yes"]);
    let mut strace = Command::new("strace");
    let log = fleet.lab.directory().join("trace");
    strace.arg("-f").arg("-o").arg(&log).args([
        "-e",
        "trace=fsync",
        "-e",
        "inject=fsync:signal=SIGSTOP:when=4",
        "-P",
    ]);
    strace.arg(fleet.state().join("journal.db-wal"));
    strace.arg(plain.get_program()).args(plain.get_args()).current_dir(plain.get_current_dir().unwrap());
    strace.env("HOME", fleet.lab.directory()).env_remove("SSH_AUTH_SOCK");
    let mut strace =
        strace.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let child = || {
        let children = format!("/proc/{0}/task/{0}/children", strace.id());
        std::fs::read_to_string(children).ok()?.split_whitespace().next()?.parse::<i32>().ok()
    };
    let is_stopped = || std::fs::read_to_string(&log).is_ok_and(|said| said.contains("stopped by SIGSTOP"));
    assert!(wait_for(PATIENCE, is_stopped));
    let stopped = Stopped(child().unwrap());
    // It stays as it is when nobody traces it any more.
    strace.kill().unwrap();
    strace.wait().unwrap();
    assert!(wait_for(PATIENCE, || state(stopped.0) == Some('T')), "{:?}", state(stopped.0));

    let told = fleet.roll_out(&[]).expect(1);
    let words = format!("process {} (`certwave`) holds it, and is stopped", stopped.0);
    assert!(told.stderr.contains(&words), "{}", told.stderr);
    assert_eq!(state(stopped.0), Some('T'), "its lease is not over");
    // What reads only does not wait.
    assert!(fleet.run(&["history"]).expect(0).stdout.contains("succeeded"));

    let mut run = None;
    assert!(wait_for(Duration::from_secs(120), || {
        let tried = fleet.roll_out(&[]);
        let is_done = tried.code == 0;
        run = Some(tried);
        is_done
    }));
    assert_eq!(run.unwrap().last()["outcome"], "unchanged");
    assert!(!matches!(state(stopped.0), Some('T')), "it was ended");
    fleet.run(&["audit", "verify"]).expect(0);
}
