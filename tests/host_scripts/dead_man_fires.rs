//! What the dead-man switch does when its time is over, and who may still come in between.

use std::fs;
use std::fs::File;
use std::process::Command;

use certwave::install::{Activation, InstallError, Rollback};
use certwave::lab::wait_for;
use certwave::service::{self, ServiceSpec};

use crate::dead_man::{NEVER, host, is_over};
use crate::durable::{Noted, noted, watch};
use crate::support::{Host, PATIENCE, SHELLS, Shell, mode, quoted, read, version, words};

impl Host {
    /// Version 2 live, and the switch fired: what it wrote down as its problem.
    pub(crate) fn fire(&mut self, after: u64, meanwhile: impl FnOnce(&Host)) -> Option<String> {
        let sleepers = self.hold_sleepers();
        assert_eq!(self.activate_armed(after), Ok(Activation::Activated), "{:?}", self.shell);
        meanwhile(self);
        drop(sleepers);
        assert!(wait_for(PATIENCE, || self.switch("~fired").exists()), "{:?}", self.shell);
        assert!(wait_for(PATIENCE, || !self.switch("~firing").exists()), "{:?}", self.shell);
        assert_eq!(mode(&self.switch("~fired")), 0o600, "{:?}", self.shell);
        self.inspect().fired.unwrap().problem
    }

    /// One more service with a name of its own.
    fn service(&mut self, name: &str, test: &str, reload: &str) {
        let test = Some(test.to_owned());
        let spec = ServiceSpec::Command(service::Command { test, reload: reload.to_owned() });
        self.add_service(name, &spec, 30);
    }
}

#[test]
fn it_waits_as_long_as_it_was_told_and_no_longer() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        assert_eq!(host.fire(5, |_| {}), None, "{shell:?}");
        assert_eq!(host.slept(), "2\n2\n1\n", "{shell:?}");
    }
}

/// A login that ends hangs up on its processes, where nothing else keeps this one.
#[test]
fn it_outlives_a_hang_up() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let hang_up = |host: &Host| drop(words("kill", &["-HUP", &host.waiter()]));
        assert_eq!(host.fire(1, hang_up), None, "{shell:?}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
    }
}

#[test]
fn what_it_wrote_down_is_on_the_disk_when_it_is_read() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        watch(&mut host);
        assert_eq!(host.fire(1, |_| {}), None, "{shell:?}");
        let calls = noted(&host);
        let fired = host.switch("~fired");
        let renamed = calls.iter().position(|call| matches!(call, Noted::Renamed { to, .. } if *to == fired));
        let draft = Noted::Flushed(vec![host.switch("~fired.new")]);
        assert!(calls[..renamed.unwrap()].contains(&draft), "{shell:?}: {calls:?}");
    }
}

#[test]
fn a_damaged_version_is_not_put_back() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let damage = |host: &Host| {
            fs::write(host.spec.layout.version(&version(1)).join("chain.pem").as_str(), "").unwrap();
        };
        let problem = host.fire(1, damage);
        assert_eq!(problem.as_deref(), Some("it is not complete in the archive"), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        assert_eq!(host.reloads(), "one certificate\ntwo certificate\n", "{shell:?}");
    }
}

#[test]
fn every_service_is_tried_and_the_first_failure_is_told() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let live = quoted(&host.live("fullchain.pem"));
        let last = host.file("last");
        host.service("first", &format!("grep two '{live}'"), "true");
        host.service("second", "true", &format!("grep two '{live}'"));
        host.service("last", "true", &format!("cat '{live}' >'{}'", quoted(&last)));
        assert_eq!(host.fire(1, |_| {}).as_deref(), Some("first refuses its configuration"), "{shell:?}");
        assert_eq!(read(&last), "one certificate\n", "{shell:?}");
    }
}

#[test]
fn servers_that_it_reloads_make_files_as_usual() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let umask = host.file("umask");
        host.login = "umask 077; ".to_owned();
        host.service("server", "true", &format!("umask >'{}'", quoted(&umask)));
        assert_eq!(host.fire(1, |_| {}), None, "{shell:?}");
        assert_eq!(read(&umask), "0022\n", "{shell:?}");
    }
}

#[test]
fn one_that_waited_for_a_step_minds_whether_another_one_is_armed_by_then() {
    for shell in [Shell::Dash, Shell::Bash] {
        let mut host = host(shell);
        let waits = host.file("waits");
        let note = format!("[ \"$*\" != '-n 8' ] || : >'{}'", waits.display());
        host.shim("flock", &format!("{note}\nexec \"$real\" \"$@\""));
        let sleepers = host.hold_sleepers();
        assert_eq!(host.activate_armed(1), Ok(Activation::Activated), "{shell:?}");
        let waiter = host.waiter();
        let step = File::open(host.directory().join(".lock.step")).unwrap();
        step.lock().unwrap();
        drop(sleepers);
        assert!(wait_for(PATIENCE, || waits.exists()), "{shell:?}");
        let other = format!("token='other' # {} {}\n", version(2), version(1));
        fs::write(host.switch(""), &other).unwrap();
        drop(step);
        assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        assert_eq!(read(&host.switch("")), other, "{shell:?}");
    }
}

/// Without flock nobody can wait for it.
#[test]
fn a_version_is_not_confirmed_while_it_fires() {
    let shell = Shell::Busybox;
    if !shell.follows_path() {
        return;
    }
    let mut host = host(shell);
    let sleepers = host.hold_sleepers();
    assert_eq!(host.activate_armed(1), Ok(Activation::Activated));
    let [checks, go_on] = ["checks", "go-on"].map(|name| host.file(name));
    // The version before is checked before it is put back. The switch has the `PATH` of whoever armed it.
    let wait = format!("until [ -e '{}' ]; do sleep 0.02; done", go_on.display());
    host.shim("sha256sum", &format!(": >'{}'\n{wait}\nexec \"$real\" \"$@\"", checks.display()));
    drop(sleepers);
    assert!(wait_for(PATIENCE, || checks.exists()));
    let found = version(2).to_string();
    assert_eq!(host.try_commit(), Err(InstallError::Undone { found }));
    fs::write(go_on, "").unwrap();
    assert!(host.becomes(&version(1)));
}

/// As after a power cut.
#[test]
fn one_that_died_while_it_fired_prevents_no_commit() {
    for shell in SHELLS {
        let host = host(shell);
        assert_eq!(host.activate(&version(2), Some(&version(1))), Ok(Activation::Activated), "{shell:?}");
        let mut dead = Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        fs::write(host.switch("~firing"), "").unwrap();
        fs::write(host.switch("~on"), format!("token {}\n", dead.id())).unwrap();
        host.try_commit().unwrap();
        assert!(!host.switch("~firing").exists() && !host.switch("~on").exists(), "{shell:?}");
    }
}

#[test]
fn without_a_process_that_waits_nothing_is_switched() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        host.shim("setsid", "exit 0");
        host.shim("sleep", "exit 0");
        let refused = host.activate_armed(NEVER).unwrap_err().to_string();
        assert!(refused.contains("its process did not start"), "{shell:?}: {refused}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
        assert_eq!(host.reloads(), "one certificate\n", "{shell:?}");
        assert!(!host.switch("").exists(), "{shell:?}");
    }
}

#[test]
fn a_rollback_whose_reload_fails_leaves_it_armed() {
    for shell in SHELLS {
        let mut host = host(shell);
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        host.service("broken", "true", "exit 1");
        assert!(matches!(host.rollback(&version(1), true), Ok(Rollback::ReloadFailed { .. })), "{shell:?}");
        assert!(host.inspect().armed.is_some(), "{shell:?}");
        host.services.pop();
        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!(host.inspect().armed, None, "{shell:?}");
    }
}

/// It is nothing to go back to; but what it replaced is, and that is another version than the one that was seen.
#[test]
fn an_unconfirmed_version_that_replaced_another_one_than_was_seen_is_told() {
    for shell in SHELLS {
        let host = host(shell);
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        for n in [3, 4] {
            host.stage(&version(n), "new").unwrap();
        }
        let refused = host.activate(&version(4), Some(&version(3))).unwrap_err();
        assert_eq!(refused, InstallError::Moved { found: version(2).to_string() }, "{shell:?}");
        host.try_commit().unwrap();
    }
}
