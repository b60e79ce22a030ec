//! What a dead-man switch leaves in the host's own log.

use std::fs;

use certwave::install::Activation;
use certwave::lab::wait_for;

use crate::dead_man::{host, is_over};
use crate::refusals::Mounted;
use crate::support::{Host, PATIENCE, Shell, quoted, version};

/// Version 2 was switched to, and the time to confirm it is over; once `spoil` has been done.
fn fired(shell: Shell, spoil: impl FnOnce(&mut Host)) -> Host {
    let mut host = host(shell);
    let sleepers = host.hold_sleepers();
    assert_eq!(host.activate_armed(1), Ok(Activation::Activated), "{shell:?}");
    let waiter = host.waiter();
    spoil(&mut host);
    drop(sleepers);
    assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}: {}", host.log());
    host
}

#[test]
fn what_it_put_back_and_why_or_why_it_could_not_is_in_the_log() {
    let (old, new) = (version(1), version(2));
    for shell in Shell::that_follow_path() {
        let said = |spoil: fn(&mut Host)| fired(shell, spoil).log();
        let line = |level: &str, words: String| {
            format!("-t certwave -p daemon.{level} -- certificate a.test: {words}\n")
        };
        let back = line("warning", format!("nobody confirmed {new}: {old} was put back"));
        assert_eq!(said(|_| {}), back, "{shell:?}");
        let incomplete = said(|host| {
            fs::write(host.spec.layout.version(&version(1)).join("chain.pem").as_str(), "").unwrap();
        });
        assert!(incomplete.contains(&format!("{old} was not put back: its files in ")), "{incomplete}");
        let unwritable =
            said(|host| host.shim("mv", "case $* in *live*) exit 1 ;; esac\nexec \"$real\" \"$@\""));
        assert!(unwritable.contains("could not be switched"), "{shell:?}: {unwritable}");
        let refused = said(|host| {
            fs::write(host.spec.layout.version(&version(1)).join("fullchain.pem").as_str(), "bad\n").unwrap();
            host.shim("sha256sum", "exit 0");
        });
        assert!(refused.contains("but command refuses its configuration"), "{shell:?}: {refused}");
        let elsewhere = said(|host| {
            let draft = host.file("draft");
            host.stage(&version(3), "three").unwrap();
            std::os::unix::fs::symlink(host.spec.layout.live_target(&version(3)), &draft).unwrap();
            fs::rename(&draft, host.spec.layout.live().as_str()).unwrap();
        });
        let left =
            format!("{} is live, and not {new}, which nobody confirmed: {old} is not put back", version(3));
        assert_eq!(elsewhere, line("notice", left), "{shell:?}");
    }
}

#[test]
fn a_folder_that_became_read_only_is_told_and_waited_for() {
    for shell in Shell::that_follow_path() {
        let mut read_only = None;
        // Whoever reads the log mends the folder.
        let host = fired(shell, |host| {
            let logger = host.file("bin/logger");
            let noting = fs::read_to_string(&logger).unwrap();
            let mend = format!("{noting}umount -l '{}' 2>/dev/null || true\n", quoted(&host.directory()));
            fs::write(logger, mend).unwrap();
            read_only = Mounted::read_only(host);
        });
        if read_only.is_none() {
            return;
        }
        let log = host.log();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{shell:?}: {log}");
        assert!(lines[0].contains("daemon.err") && lines[0].contains("cannot be written to"), "{log}");
        assert!(lines[1].ends_with("was put back"), "{log}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
    }
}

#[test]
fn a_folder_that_stays_read_only_is_given_up_and_told_once_more() {
    for shell in Shell::that_follow_path() {
        let mut read_only = None;
        let host = fired(shell, |host| read_only = Mounted::read_only(host));
        if read_only.is_none() {
            return;
        }
        let log = host.log();
        assert_eq!(log.lines().count(), 2, "{shell:?}: {log}");
        assert!(log.lines().last().unwrap().contains("was not put back"), "{log}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        drop(read_only);
        // It is still armed: the next rollout finds it so.
        assert!(host.inspect().armed.is_some());
        host.try_commit().unwrap();
    }
}
