//! A host that is rebooted before anybody confirmed its version: the boot unit puts the one before back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use certwave::install::{Activation, Boots, Facts, Guard, OnDisk};
use certwave::lab::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::dead_man::{NEVER, is_over};
use crate::killed::{arm, killed};
use crate::support::{Host, PATIENCE, SHELLS, Shell, read, version};

const RUNNER: &str = "var-lib/certwave/boot.sh";
const ARMED: &str = "var-lib/certwave/armed";
const WANTED: &str = "etc-systemd/system/sysinit.target.wants/certwave-dead-man.service";

/// Version 1 is live and 2 is staged.
fn ready(shell: Shell) -> Option<Host> {
    let host = Host::managed(shell)?;
    host.install(&version(1), None, "one");
    host.stage(&version(2), "two").unwrap();
    Some(host)
}

/// The same, switched to version 2, which nobody confirmed.
fn switched(shell: Shell) -> Option<Host> {
    let host = ready(shell)?;
    assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
    Some(host)
}

impl Host {
    /// What waits for the next boot.
    fn for_boot(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.file(ARMED)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// All of its processes die.
    fn lose_power(&self) {
        let waiter = self.waiter();
        kill(Pid::from_raw(waiter.parse().unwrap()), Signal::SIGKILL).unwrap();
        assert!(wait_for(PATIENCE, || is_over(&waiter)));
    }

    /// What the boot unit does, and says; it fails where something is left that nobody put back.
    fn boot_unit(&self) -> (u32, String) {
        let script = certwave::install::Script::new()
            .text("if [ -f /var/lib/certwave/boot.sh ]; then . /var/lib/certwave/boot.sh; fi");
        let ended = self.run(&script);
        (ended.status, String::from_utf8(ended.stdout).unwrap())
    }

    fn boot(&self) -> String {
        let (status, said) = self.boot_unit();
        assert_eq!(status, 0, "{said}");
        said
    }

    fn boots(&self) -> Option<Boots> {
        let ended = self.run(&self.spec.survey(&self.services));
        Facts::parse(&ended.output(), &self.spec, &self.services).unwrap().boots
    }

    fn guard(&self) -> Option<Guard> {
        let looked = OnDisk::parse(&self.run(&self.spec.status(&[])).output(), &self.spec, &[]).unwrap();
        let guard = looked.armed.map(|armed| armed.guard);
        assert_eq!(self.inspect().armed.map(|armed| armed.guard), guard);
        guard
    }
}

#[test]
fn what_nobody_confirmed_before_a_reboot_is_put_back_before_servers_start() {
    for shell in SHELLS {
        let Some(host) = switched(shell) else { return };
        assert_eq!(host.boots(), Some(Boots::Unit), "{shell:?}");
        assert_eq!(host.guard(), Some(Guard::Process), "{shell:?}");
        let reloads = host.reloads();
        host.lose_power();
        assert_eq!(host.guard(), Some(Guard::Boot), "{shell:?}");
        let said = host.boot();
        assert!(said.contains(&format!("{} was put back (at boot", version(1))), "{shell:?}: {said}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
        // No server runs yet that could be told.
        assert_eq!(host.reloads(), reloads, "{shell:?}");
        let facts = host.inspect();
        assert_eq!((facts.armed, facts.fired.unwrap().problem), (None, None), "{shell:?}");
        assert_eq!(host.for_boot(), Vec::<PathBuf>::new(), "{shell:?}");
        assert_eq!(host.boot(), "", "{shell:?}");
    }
}

#[test]
fn what_was_confirmed_or_taken_back_leaves_nothing_for_a_boot() {
    for shell in SHELLS {
        let Some(host) = switched(shell) else { return };
        assert_eq!(host.for_boot().len(), 1, "{shell:?}");
        host.try_commit().unwrap();
        assert_eq!(host.for_boot(), Vec::<PathBuf>::new(), "{shell:?}");
        // The next one is armed in its turn, by one file: the unit is there.
        host.rollback(&version(1), true).unwrap();
        let unit = || fs::metadata(host.file(RUNNER)).unwrap().modified().unwrap();
        let before = unit();
        for _ in 0..2 {
            assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
            assert_eq!((host.for_boot().len(), unit()), (1, before), "{shell:?}");
        }
        host.rollback(&version(1), true).unwrap();
        assert_eq!(host.for_boot(), Vec::<PathBuf>::new(), "{shell:?}");
        assert_eq!(host.boot(), "", "{shell:?}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
    }
}

#[test]
fn a_file_that_was_left_for_a_boot_does_nothing_once_its_switch_is_gone() {
    for shell in SHELLS {
        let Some(host) = switched(shell) else { return };
        let left = host.for_boot().remove(0);
        let text = read(&left);
        host.try_commit().unwrap();
        // As a power cut may bring it back.
        fs::write(&left, text).unwrap();
        assert_eq!(host.boot(), "", "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        assert!(!left.exists(), "{shell:?}");
    }
}

#[test]
fn one_that_was_firing_when_the_power_went_is_brought_to_its_end() {
    for shell in SHELLS {
        let Some(host) = switched(shell) else { return };
        host.lose_power();
        fs::rename(host.switch(""), host.switch("~firing")).unwrap();
        assert!(host.boot().contains("was put back"), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
        assert!(!host.tree().iter().any(|path| path.contains("firing")), "{:?}", host.tree());
    }
}

#[test]
fn what_others_than_root_could_have_written_is_not_run() {
    for shell in SHELLS {
        for spoil in [
            (|one, _| fs::set_permissions(one, fs::Permissions::from_mode(0o620)).unwrap())
                as fn(&PathBuf, &Host),
            |one, _| chown(one, Some(65534), None).unwrap(),
            |one, host| {
                let text = host.file("planted");
                fs::rename(one, &text).unwrap();
                symlink(text, one).unwrap();
            },
            |_, host| fs::set_permissions(host.file(ARMED), fs::Permissions::from_mode(0o777)).unwrap(),
            |_, host| chown(host.file("var-lib/certwave"), Some(65534), None).unwrap(),
        ] {
            let Some(host) = switched(shell) else { return };
            host.lose_power();
            spoil(&host.for_boot()[0], &host);
            let (status, said) = host.boot_unit();
            assert!(status == 1 && said.contains("is not run: others than root"), "{shell:?}: {said}");
            assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        }
    }
}

#[test]
fn a_folder_that_others_may_write_since_is_not_followed() {
    for shell in SHELLS {
        let Some(host) = switched(shell) else { return };
        host.lose_power();
        fs::set_permissions(host.directory().join("live"), fs::Permissions::from_mode(0o777)).unwrap();
        let (status, said) = host.boot_unit();
        assert!(
            status == 1 && said.contains("is not put back: others than root may write"),
            "{shell:?}: {said}"
        );
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
    }
}

#[test]
fn where_the_unit_may_or_can_not_be_it_is_said_and_the_switch_is_armed_all_the_same() {
    for shell in SHELLS {
        for (boots, spoil) in [
            (Boots::Off, (|host| host.spec.boot_unit = false) as fn(&mut Host)),
            (Boots::Masked, |host| {
                symlink("/dev/null", host.file("etc-systemd/system/certwave-dead-man.service")).unwrap();
            }),
            (Boots::Unsafe, |host| {
                fs::set_permissions(host.file("var-lib"), fs::Permissions::from_mode(0o777)).unwrap();
            }),
        ] {
            let Some(mut host) = ready(shell) else { return };
            spoil(&mut host);
            assert_eq!(host.boots(), Some(boots), "{shell:?}");
            assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
            assert_eq!(host.for_boot(), Vec::<PathBuf>::new(), "{shell:?}");
            assert!(!host.file(WANTED).exists(), "{shell:?}");
            assert_eq!(host.guard(), Some(Guard::Process), "{shell:?}");
            host.lose_power();
            assert_eq!(host.guard(), Some(Guard::Nobody), "{shell:?}");
            host.try_commit().unwrap();
        }
    }
}

#[test]
fn a_unit_that_cannot_be_written_is_told_when_the_switch_is_armed() {
    for shell in SHELLS {
        for (words, spoil) in [
            (None, (|_| ()) as fn(&Host)),
            (Some("certwave"), |host| fs::write(host.file("var-lib/certwave"), "").unwrap()),
            (Some("others than root may write on the way to /var/lib/certwave/armed"), |host| {
                fs::create_dir_all(host.file(ARMED)).unwrap();
                fs::set_permissions(host.file(ARMED), fs::Permissions::from_mode(0o777)).unwrap();
            }),
            (Some("certwave-dead-man.service"), |host| {
                fs::create_dir(host.file("etc-systemd/system/certwave-dead-man.service")).unwrap();
            }),
            (Some("sysinit.target.wants"), |host| {
                fs::write(host.file("etc-systemd/system/sysinit.target.wants"), "").unwrap();
            }),
            // Chosen, and so known.
            (None, |host| {
                symlink("/dev/null", host.file("etc-systemd/system/certwave-dead-man.service")).unwrap();
            }),
        ] {
            let Some(host) = ready(shell) else { return };
            spoil(&host);
            let reason = host.activate_until_reboot();
            let as_told = match (words, &reason) {
                (None, None) => true,
                (Some(words), Some(reason)) => reason.contains(words) && !reason.contains('\n'),
                _ => false,
            };
            assert!(as_told, "{shell:?}: {words:?}, {reason:?}");
            assert_eq!(host.guard(), Some(Guard::Process), "{shell:?}");
            assert!(reason.is_none() || host.for_boot().is_empty(), "{shell:?}");
            host.try_commit().unwrap();
        }
    }
}

#[test]
fn a_number_that_another_process_has_since_guards_nothing() {
    for shell in SHELLS {
        let Some(host) = switched(shell) else { return };
        let on = host.switch("~on");
        let token = read(&on).split(' ').next().unwrap().to_owned();
        host.lose_power();
        fs::write(&on, format!("{token} {}\n", std::process::id())).unwrap();
        assert_eq!(host.guard(), Some(Guard::Boot), "{shell:?}");
        fs::remove_file(host.file(WANTED)).unwrap();
        assert_eq!(host.guard(), Some(Guard::Nobody), "{shell:?}");
        host.try_commit().unwrap();
    }
}

/// A token that somebody wrote into a folder that is not root's leads nowhere.
#[test]
fn a_planted_token_removes_nothing_elsewhere() {
    for shell in SHELLS {
        let Some(host) = switched(shell) else { return };
        let precious = host.file("var-lib/certwave/precious");
        fs::write(&precious, "").unwrap();
        for token in ["../precious", "../../certwave/precious", "..", "a/../../precious"] {
            fs::write(host.switch(""), format!("token='{token}' # {} {}\n", version(2), version(1))).unwrap();
            assert_eq!(host.guard(), Some(Guard::Nobody), "{shell:?}");
            host.try_commit().unwrap();
            assert!(precious.exists() && host.file(ARMED).exists(), "{shell:?}: {token}");
        }
    }
}

#[test]
fn a_half_installed_unit_is_finished_by_the_next_switch() {
    for shell in SHELLS {
        let Some(host) = ready(shell) else { return };
        fs::create_dir_all(host.file("etc-systemd/system/sysinit.target.wants")).unwrap();
        fs::write(host.file("etc-systemd/system/certwave-dead-man.service"), "[Unit]\n").unwrap();
        fs::write(host.file("etc-systemd/system/certwave-dead-man.service.new"), "[Un").unwrap();
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        let unit = read(&host.file("etc-systemd/system/certwave-dead-man.service"));
        assert!(unit.contains("Before=sysinit.target"), "{unit}");
        assert_eq!(fs::read_link(host.file(WANTED)).unwrap().to_str(), Some("../certwave-dead-man.service"));
        assert!(!host.file("etc-systemd/system/certwave-dead-man.service.new").exists());
        host.lose_power();
        host.boot();
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
    }
}

/// Killed before each command: whatever the host comes up with is the version before, or was told to be live.
#[test]
fn an_activation_killed_anywhere_leaves_a_host_that_a_boot_brings_back() {
    let mut n = 0;
    loop {
        n += 1;
        let Some(mut host) = ready(Shell::Dash) else { return };
        arm(&mut host);
        let call = host.armed_call(NEVER);
        if !killed(&host, n, &call) {
            break;
        }
        let _ = fs::read_to_string(host.switch("~on")).map(|_| host.lose_power());
        host.boot();
        assert_eq!(host.live_version(), Some(version(1)), "killed before command {n}");
        // And the same rollout comes to its end.
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "killed before command {n}");
        host.try_commit().unwrap();
        assert_eq!(host.for_boot(), Vec::<PathBuf>::new(), "killed before command {n}");
    }
    assert!(n > 10, "{n}");
}
