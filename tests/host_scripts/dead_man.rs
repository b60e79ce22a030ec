//! The dead-man switch: nobody comes back, and the host goes back by itself.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use certwave::install::{
    Activation, AlreadyKnown, DeadMan, InstallError, InstallSpec, Layout, Pruned, Rollback, Task,
    ends_at_reboot,
};
use certwave::lab::wait_for;
use certwave::model::Version;
use jiff::Timestamp;

use crate::killed::{arm, kill_before, killed, killers, left};
use crate::refusals::Mounted;
use crate::require;
use crate::snapshot::Snapshot;
use crate::support::{Call, Host, PATIENCE, SHELLS, Shell, each_shell, quoted, read, version};

/// Longer than any test.
pub(crate) const NEVER: u64 = 3600;

/// Version 1 is live and 2 is staged.
pub(crate) fn host(shell: Shell) -> Host {
    let host = Host::new(shell).with_command();
    host.install(&version(1), None, "one");
    host.stage(&version(2), "two").unwrap();
    host
}

impl Host {
    fn call(&self, after: u64, not_after: Timestamp) -> Call {
        self.task(&armed(after, not_after))
    }

    pub(crate) fn activate_armed(&self, after: u64) -> Result<Activation, InstallError> {
        let ended = self.ask(&armed(after, Timestamp::MAX));
        Activation::parse(&ended.output(), &self.services)
    }

    /// Why the switch that this arms would end at a reboot.
    pub(crate) fn activate_until_reboot(&self) -> Option<String> {
        let ended = self.ask(&armed(NEVER, Timestamp::MAX));
        assert_eq!(Activation::parse(&ended.output(), &self.services), Ok(Activation::Activated));
        ends_at_reboot(&ended.output())
    }

    pub(crate) fn armed_call(&self, after: u64) -> Call {
        self.call(after, Timestamp::MAX)
    }

    pub(crate) fn switch(&self, suffix: &str) -> std::path::PathBuf {
        self.directory().join(format!(".dead-man.a.test{suffix}"))
    }

    /// The process that waits.
    pub(crate) fn waiter(&self) -> String {
        read(&self.switch("~on")).split(' ').nth(1).unwrap().trim().to_owned()
    }

    pub(crate) fn becomes(&self, wanted: &Version) -> bool {
        wait_for(PATIENCE, || self.live_version().as_ref() == Some(wanted))
    }

    pub(crate) fn try_commit(&self) -> Result<Pruned, InstallError> {
        Pruned::parse(&self.ask(&commit()).output())
    }

    pub(crate) fn reloads(&self) -> String {
        fs::read_to_string(self.file("reloads")).unwrap_or_default()
    }
}

fn armed(after: u64, not_after: Timestamp) -> Task {
    let (target, previous) = (version(2), version(1));
    let switch = DeadMan { target, previous, not_after, after: Duration::from_secs(after) };
    InstallSpec::activate(&version(2), Some(&version(1)), Some(&switch), &AlreadyKnown::default())
}

fn commit() -> Task {
    InstallSpec::commit(&version(2), Some(&version(1)), &[], false)
}

pub(crate) fn is_over(process: &str) -> bool {
    fs::read_to_string(Path::new("/proc").join(process).join("stat"))
        .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

#[test]
fn what_nobody_confirms_is_undone_and_written_down() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let sleepers = host.hold_sleepers();
        assert_eq!(host.activate_armed(1), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        drop(sleepers);
        assert!(host.becomes(&version(1)), "{shell:?}");
        assert!(wait_for(PATIENCE, || host.switch("~fired").exists()), "{shell:?}");
        // The last thing that the service was told to load is the version before.
        assert!(
            host.reloads().ends_with("two certificate\none certificate\n"),
            "{shell:?}: {}",
            host.reloads()
        );
        let facts = host.inspect();
        let fired = facts.fired.unwrap();
        assert_eq!((fired.target, fired.previous, fired.problem), (version(2), version(1), None));
        assert_eq!(facts.armed, None, "{shell:?}");
        // Too late to confirm it.
        assert_eq!(host.try_commit(), Err(InstallError::Undone { found: version(1).to_string() }));

        // The next one starts afresh.
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(host.inspect().fired, None);
        host.try_commit().unwrap();
        assert!(!host.tree().iter().any(|path| path.starts_with(".dead-man")), "{:?}", host.tree());
    }
}

#[test]
fn back_on_the_version_before_what_nobody_confirmed_is_really_switched() {
    for shell in SHELLS {
        let host = host(shell);
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        // The controller died. A rollback makes the version before the one that is wanted.
        let (target, previous) = (version(1), version(1));
        let after = Duration::from_secs(NEVER);
        let switch = DeadMan { target, previous, not_after: Timestamp::MAX, after };
        let seen = AlreadyKnown { live: Some(version(2)), ..AlreadyKnown::default() };
        let task = InstallSpec::activate(&version(1), Some(&version(1)), Some(&switch), &seen);
        let ended = host.ask(&task);
        let activated = Activation::parse(&ended.output(), &host.services);
        assert_eq!(activated, Ok(Activation::Activated), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
        assert!(host.reloads().ends_with("one certificate\n"), "{shell:?}: {}", host.reloads());
    }
}

#[test]
fn a_confirmed_version_stays_and_the_switch_ends() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let sleepers = host.hold_sleepers();
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        let armed = host.inspect().armed.unwrap();
        assert_eq!((armed.target, armed.previous), (version(2), version(1)));
        let waiter = host.waiter();
        assert!(!is_over(&waiter), "{shell:?}");
        host.try_commit().unwrap();
        drop(sleepers);
        assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)));
        assert_eq!(host.inspect().armed, None);
    }
}

#[test]
fn a_switch_that_cannot_be_disarmed_is_told_and_nothing_is_confirmed() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let sleepers = host.hold_sleepers();
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        let waiter = host.waiter();
        let mut read_only = None;
        let ended = host.ask_after(&commit(), || read_only = Mounted::read_only(&host));
        let Some(read_only) = read_only else { return };
        let path = host.switch("").display().to_string();
        let refused = Pruned::parse(&ended.output());
        assert_eq!(refused, Err(InstallError::StillArmed { path }), "{shell:?}");
        drop(read_only);
        assert!(!is_over(&waiter), "{shell:?}");
        host.try_commit().unwrap();
        drop(sleepers);
        assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}");
    }
}

#[test]
fn a_refused_version_and_a_rollback_disarm_it() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let sleepers = host.hold_sleepers();
        host.stage(&version(3), "bad").unwrap();
        let previous = version(1);
        let switch = DeadMan {
            target: version(3),
            previous: previous.clone(),
            not_after: Timestamp::MAX,
            after: Duration::from_secs(NEVER),
        };
        let ended = host.ask(&InstallSpec::activate(
            &version(3),
            Some(&previous),
            Some(&switch),
            &AlreadyKnown::default(),
        ));
        let refused = Activation::parse(&ended.output(), &host.services).unwrap();
        assert!(matches!(refused, Activation::Refused { swapped_back: true, .. }), "{refused:?}");
        assert_eq!(host.inspect().armed, None, "{shell:?}");

        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        let waiter = host.waiter();
        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack));
        drop(sleepers);
        assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}");
        assert_eq!(host.inspect().armed, None, "{shell:?}");
    }
}

/// `a.test` and `a.test.on` have one folder; so would `a.test.new`, and whatever else a switch's own files could end in.
#[test]
fn the_switch_of_another_certificate_is_left_alone() {
    for shell in SHELLS {
        let mut host = host(shell);
        let name = host.spec.layout.name().clone();
        let rename = |host: &mut Host, name: &str| {
            let directory = host.spec.layout.directory().clone();
            host.spec.layout = Layout::new(directory, name.parse().unwrap());
        };
        for other in ["a.test.on", "a.test.off", "a.test.new", "a.test.fired", "a.test.example"] {
            rename(&mut host, other);
            host.install(&version(1), None, "one");
            host.stage(&version(2), "two").unwrap();
            assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}, {other}");
        }
        rename(&mut host, name.as_str());
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        host.try_commit().unwrap();
        for other in ["a.test.on", "a.test.off", "a.test.new", "a.test.fired", "a.test.example"] {
            rename(&mut host, other);
            assert!(host.inspect().armed.is_some(), "{shell:?}: {other} is not armed any more");
            host.try_commit().unwrap();
        }
    }
}

#[test]
fn a_lapsed_version_is_not_put_back() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let sleepers = host.hold_sleepers();
        let ended = host.ask(&armed(1, Timestamp::from_second(1_700_000_000).unwrap()));
        assert_eq!(Activation::parse(&ended.output(), &host.services), Ok(Activation::Activated));
        drop(sleepers);
        assert!(wait_for(PATIENCE, || host.switch("~fired").exists()), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        assert_eq!(host.inspect().fired.unwrap().problem.unwrap(), "it had expired by then");
    }
}

#[test]
fn a_version_that_became_live_since_is_left_alone() {
    for shell in Shell::that_follow_path() {
        let mut host = host(shell);
        let sleepers = host.hold_sleepers();
        assert_eq!(host.activate_armed(3), Ok(Activation::Activated), "{shell:?}");
        let waiter = host.waiter();
        host.stage(&version(3), "three").unwrap();
        let live = host.spec.layout.live();
        let draft = host.file("draft");
        std::os::unix::fs::symlink(host.spec.layout.live_target(&version(3)), &draft).unwrap();
        fs::rename(&draft, live.as_str()).unwrap();
        drop(sleepers);
        assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(3)), "{shell:?}");
        assert!(!host.switch("~fired").exists());
    }
}

#[test]
fn what_a_lost_rollout_left_unconfirmed_is_nothing_to_go_back_to() {
    for shell in SHELLS {
        let host = host(shell);
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        // Another rollout, of version 3, whose test fails: back to 1, not to 2.
        host.stage(&version(3), "bad").unwrap();
        let seen = AlreadyKnown { live: Some(version(2)), ..AlreadyKnown::default() };
        let ended = host.ask(&InstallSpec::activate(&version(3), Some(&version(1)), None, &seen));
        let refused = Activation::parse(&ended.output(), &host.services).unwrap();
        assert!(matches!(refused, Activation::Refused { swapped_back: true, .. }), "{refused:?}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
    }
}

#[test]
fn it_fires_when_the_session_was_killed_in_the_middle_of_a_reload() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell);
        let (hung, log) = (quoted(&host.file("hung")), quoted(&host.file("reloads")));
        let live = quoted(&host.live("fullchain.pem"));
        let reload =
            format!("cat '{live}' >>'{log}'; if [ -e '{hung}' ]; then rm '{hung}'; sleep {NEVER}; fi");
        host.command("true", &reload);
        host.install(&version(1), None, "one");
        host.stage(&version(2), "two").unwrap();
        fs::write(host.file("hung"), "").unwrap();
        let sleepers = host.hold_sleepers();
        let call = host.call(2, Timestamp::MAX);
        let mut child = host.login_command(&call.script).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&call.input).unwrap();
        assert!(wait_for(PATIENCE, || !host.file("hung").exists()), "{shell:?}");
        let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        drop(sleepers);
        assert!(host.becomes(&version(1)), "{shell:?}");
        assert!(wait_for(PATIENCE, || host.reloads().ends_with("two certificate\none certificate\n")));
    }
}

/// Killed before each command: whatever is live is the version before, or becomes so.
fn kill_activation(shell: Shell) {
    if !shell.follows_path() {
        return;
    }
    let mut hosts = Vec::new();
    for n in 1.. {
        let mut host = host(shell);
        arm(&mut host);
        let sleepers = host.hold_sleepers();
        if !killed(&host, n, &host.call(2, Timestamp::MAX)) {
            break;
        }
        hosts.push((host, sleepers));
    }
    assert!(hosts.len() >= 4, "{shell:?}: {}", hosts.len());
    for (n, (host, sleepers)) in hosts.into_iter().enumerate() {
        drop(sleepers);
        assert!(host.becomes(&version(1)), "{shell:?}, killed before command {}", n + 1);
        let ended = wait_for(PATIENCE, || !host.reloads().ends_with("two certificate\n"));
        assert!(ended, "{shell:?}, killed before command {}: {}", n + 1, host.reloads());
    }
}

/// The switch itself killed before each command, as by a power cut: a rollback brings the host to its end.
fn kill_the_switch(shell: Shell) {
    if !shell.follows_path() {
        return;
    }
    let mut host = host(shell);
    arm(&mut host);
    let watched = killers(&host);
    let snapshot = Snapshot::of(vec![host.directory(), host.file("reloads")]);
    for n in 1.. {
        snapshot.restore();
        let sleepers = host.hold_sleepers();
        host.path_prefix.push(watched.clone());
        assert_eq!(host.activate_armed(2), Ok(Activation::Activated), "{shell:?}");
        host.path_prefix.pop();
        kill_before(&host, n);
        let waiter = host.waiter();
        drop(sleepers);
        assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}");
        let was_killed = left(&host) <= 0;
        kill_before(&host, 0);
        let facts = host.inspect();
        assert!(facts.complete.contains(facts.live_version().unwrap()), "{shell:?}, {n}");
        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}, {n}");
        assert_eq!(host.live_version(), Some(version(1)));
        if !was_killed {
            assert!(n > 5, "{shell:?}: {n}");
            break;
        }
    }
}

each_shell! {
    activation_killed_anywhere_leaves_no_version_that_nobody_confirmed: kill_activation;
    a_switch_killed_anywhere_can_be_rolled_back: kill_the_switch;
}

#[test]
fn systemd_keeps_it_where_there_is_systemd() {
    if !require::root("for a mount namespace") {
        return;
    }
    let mut host = host(Shell::Dash);
    let bin = host.file("systemd");
    fs::create_dir(&bin).unwrap();
    // What systemd-run does, without the unit: a process that is not a child of the session.
    let run = format!(
        "#!/bin/sh\necho \"$*\" >'{0}/args'\nwhile [ \"$1\" != -- ]; do shift; done\nshift\n\
         for word do shift; set -- \"$@\" \"$(printf '%s\\n' \"$word\" | sed 's/\\$\\$/$/g')\"; done\nsetsid \"$@\" &\n",
        bin.display()
    );
    fs::write(bin.join("systemd-run"), run).unwrap();
    fs::set_permissions(bin.join("systemd-run"), fs::Permissions::from_mode(0o755)).unwrap();
    let sleepers = host.hold_sleepers();
    host.path_prefix.push(bin.clone());
    // Machines that systemd does not run and that it runs, to what follows alone.
    let run = |more: &str| format!("unshare -m sh -c 'mount -t tmpfs none /run{more} && \"$@\"' - ");
    host.login = run("");
    assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated));
    assert!(!bin.join("args").exists(), "systemd does not run there");
    host.commit(None);
    host.login = run(" && mkdir -p /run/systemd/system");
    assert_eq!(host.activate_armed(1), Ok(Activation::Activated));
    let arguments = read(&bin.join("args"));
    assert!(arguments.contains("--collect --unit=certwave-dead-man-a.test-"), "{arguments}");
    drop(sleepers);
    assert!(host.becomes(&version(1)));
}
