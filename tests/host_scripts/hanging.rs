//! Commands that hang, however they take signals: a step ends all the same, and so does the dead-man switch.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use certwave::install::{Activation, AlreadyKnown, InstallSpec};
use certwave::lab::wait_for;
use certwave::service::{self, ServiceSpec};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::dead_man::is_over;
use crate::shells::TOOLS;
use crate::support::{Host, PATIENCE, Shell, finish, in_every_shell, quoted, read, version};

/// Ends at no signal that it may ignore, nor does what it began.
const HANG: &str = "trap '' HUP INT QUIT PIPE ALRM TERM USR1 USR2; sleep 3600 & sleep 3601; wait";

/// A host whose reload hangs as long as the file `hangs` is there. A reload that hangs says so, with its process.
fn host(shell: Shell, patience: u32, once: bool) -> Host {
    let mut host = Host::new(shell);
    let (hangs, log, pid) = (host.file("hangs"), host.file("reloads"), host.file("pid"));
    let live = quoted(&host.live("fullchain.pem"));
    let clear = if once { format!("rm '{}';", quoted(&hangs)) } else { String::new() };
    let reload = format!(
        "cat '{live}' >>'{}'; if [ -e '{}' ]; then {clear} echo $$ >'{}'; {HANG}; fi",
        quoted(&log),
        quoted(&hangs),
        quoted(&pid)
    );
    let spec = ServiceSpec::Command(service::Command { test: None, reload });
    host.add_service("command", &spec, patience);
    host.install(&version(1), None, "one");
    host.stage(&version(2), "two").unwrap();
    fs::write(&hangs, "").unwrap();
    host
}

/// The processes of a group that still run.
fn group(leader: &str) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap() {
        let name = process.unwrap().file_name().into_string().unwrap();
        let stat = fs::read_to_string(Path::new("/proc").join(&name).join("stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        if fields.get(2).is_some_and(|group| *group == leader) && fields[0] != "Z" {
            found.push(name);
        }
    }
    found
}

/// The group that a process is in.
fn group_of(process: &str) -> String {
    let stat = read(&Path::new("/proc").join(process).join("stat"));
    stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap().to_owned()
}

/// A controller's session, whose reload hangs now; and the group of what hangs.
fn hanging(host: &Host, after: u64) -> (Child, String) {
    let call = host.armed_call(after);
    let mut child = host.login_command(&call.script).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(&call.input).unwrap();
    let pid = host.file("pid");
    assert!(wait_for(PATIENCE, || fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))));
    (child, group_of(read(&pid).trim()))
}

impl Host {
    /// Takes a tool away; false where its shell has it all the same.
    fn without(&mut self, tool: &str) -> bool {
        if !self.shell.follows_path() {
            return false;
        }
        let (bin, few) = (self.file("bin"), self.file("few"));
        fs::create_dir(&few).unwrap();
        for name in TOOLS.iter().filter(|name| **name != tool) {
            symlink(self.tool(name), few.join(name)).unwrap();
        }
        for name in ["sh", "logger"] {
            symlink(bin.join(name), few.join(name)).unwrap();
        }
        self.login = format!("PATH='{}'; ", quoted(&few));
        true
    }
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_began() {
    in_every_shell(|shell| {
        for has_timeout in [true, false] {
            let mut host = Host::new(shell);
            let pid = host.file("pid");
            let test = format!("echo $$ >'{}'; {HANG}", quoted(&pid));
            let spec = ServiceSpec::Command(service::Command { test: Some(test), reload: "true".to_owned() });
            host.add_service("command", &spec, 1);
            if !has_timeout && !host.without("timeout") {
                continue;
            }
            host.stage(&version(1), "one").unwrap();
            let call = host.task(&InstallSpec::activate(&version(1), None, None, &AlreadyKnown::default()));
            let child = host.login_command(&call.script).spawn().unwrap();
            let own = child.id().to_string();
            let watch = std::thread::spawn(move || {
                assert!(
                    wait_for(PATIENCE, || fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')))
                );
                group_of(read(&pid).trim())
            });
            let ended = finish(child, &call.input);
            assert!(ended.text().contains("|gave up after 1 s\n"), "{shell:?}: {}", ended.text());
            let group_of_it = watch.join().unwrap();
            assert_ne!(group_of_it, own, "{shell:?}: it is in the shell's own group");
            assert!(wait_for(PATIENCE, || group(&group_of_it).is_empty()), "{shell:?}: {has_timeout}");
        }
    });
}

#[test]
fn a_step_that_hangs_is_ended_when_the_time_of_its_switch_has_come() {
    in_every_shell(|shell| {
        // The controller's connection ends, or its whole session is killed.
        for is_killed in [false, true] {
            let host = host(shell, 3600, true);
            let begun = Instant::now();
            let after = 2;
            let (mut child, hung) = hanging(&host, after);
            let session = child.id().to_string();
            if is_killed {
                killpg(Pid::from_raw(session.parse().unwrap()), Signal::SIGKILL).unwrap();
            }
            // Nobody reads any more, nor says anything.
            drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
            assert!(host.becomes(&version(1)), "{shell:?}");
            let reloaded = || host.reloads().ends_with("two certificate\none certificate\n");
            assert!(wait_for(PATIENCE, reloaded), "{shell:?}: {}", host.reloads());
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(after + 10), "{shell:?}: {took:?}");
            assert!(wait_for(PATIENCE, || group(&hung).is_empty()), "{shell:?}: {:?}", group(&hung));
            let ends = || child.try_wait().unwrap().is_some() && group(&session).is_empty();
            assert!(wait_for(PATIENCE, ends), "{shell:?}: the shell that attended the host hangs");
            assert!(
                wait_for(PATIENCE, || host.log().contains("was put back\n")),
                "{shell:?}: {}",
                host.log()
            );
            assert_eq!(host.inspect().fired.unwrap().problem, None, "{shell:?}");
        }
    });
}

#[test]
fn a_reload_that_never_ends_is_told_and_the_disk_is_back() {
    in_every_shell(|shell| {
        let host = host(shell, 4, false);
        let (mut child, _) = hanging(&host, 1);
        drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
        assert!(host.becomes(&version(1)), "{shell:?}");
        assert!(wait_for(PATIENCE, || host.switch("~fired").exists()), "{shell:?}");
        assert!(wait_for(PATIENCE, || child.try_wait().unwrap().is_some()), "{shell:?}");
        let said =
            format!("{} was put back on the disk, but the reload of command did not end\n", version(1));
        assert!(host.log().ends_with(&said), "{shell:?}: {}", host.log());
        let problem = host.inspect().fired.unwrap().problem;
        assert_eq!(problem.as_deref(), Some("the reload of command did not end"), "{shell:?}");
    });
}

/// A test that does not end is another thing than one that says no.
#[test]
fn a_test_that_never_ends_is_told() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let hangs = host.file("hangs");
        let test = format!("if [ -e '{}' ]; then {HANG}; fi", quoted(&hangs));
        let spec = ServiceSpec::Command(service::Command { test: Some(test), reload: "true".to_owned() });
        host.add_service("command", &spec, 1);
        host.install(&version(1), None, "one");
        host.stage(&version(2), "two").unwrap();
        assert_eq!(host.activate_armed(2), Ok(Activation::Activated), "{shell:?}");
        fs::write(&hangs, "").unwrap();
        assert!(wait_for(PATIENCE, || host.switch("~fired").exists()), "{shell:?}");
        assert!(host.log().ends_with("but the test of command did not end\n"), "{shell:?}: {}", host.log());
    });
}

/// Who has the lock is ended only if it is the step that was written down.
#[test]
fn nothing_but_a_step_of_this_certificate_is_ended() {
    for shell in Shell::that_follow_path() {
        let mut host = crate::dead_man::host(shell);
        host.lend("flock");
        let tries = host.file("tries");
        host.shim("flock", &format!("echo \"$*\" >>'{}'\nexec \"$real\" \"$@\"", quoted(&tries)));
        let sleepers = host.hold_sleepers();
        assert_eq!(host.activate_armed(1), Ok(Activation::Activated), "{shell:?}");
        let waiter = host.waiter();
        let path = host.directory().join(".lock.step");
        let lock = File::options().append(true).open(&path).unwrap();
        lock.lock().unwrap();
        // They are in groups of their own, as what a step runs is.
        let sleeper = |number: u32| {
            let script = format!("exec {number}>>'{}'; exec sleep 3600", quoted(&path));
            let mut command = Command::new("sh");
            command.args(["-c", &script]).stdin(Stdio::null()).process_group(0);
            let child = command.spawn().unwrap();
            let file = format!("/proc/{}/fd/{number}", child.id());
            assert!(wait_for(PATIENCE, || fs::exists(&file).unwrap()));
            child
        };
        let mut others = [sleeper(9), sleeper(8), sleeper(8), sleeper(9)];
        let line = |process: &Child, later: u64, name: &str| {
            let stat = read(&Path::new("/proc").join(process.id().to_string()).join("stat"));
            let start = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned();
            format!("{} {} {name}\n", process.id(), start.parse::<u64>().unwrap() + later)
        };
        let records = [
            // Another file, another process, another certificate.
            line(&others[0], 0, "a.test"),
            line(&others[1], 1, "a.test"),
            line(&others[2], 0, "a.test.other") + &line(&others[3], 0, "a.test.other"),
        ];
        let mut sleepers = Some(sleepers);
        for record in records {
            fs::write(host.directory().join(".lock.running"), &record).unwrap();
            drop(sleepers.take());
            let tried = || fs::read_to_string(&tries).unwrap_or_default().matches("-n 8\n").count();
            let before = tried();
            assert!(wait_for(PATIENCE, || tried() > before + 10), "{shell:?}: {record}");
            for other in &mut others {
                assert!(other.try_wait().unwrap().is_none(), "{shell:?}: {record}");
            }
        }
        drop(lock);
        assert!(host.becomes(&version(1)), "{shell:?}");
        assert!(wait_for(PATIENCE, || is_over(&waiter)), "{shell:?}");
        for other in &mut others {
            assert!(other.try_wait().unwrap().is_none(), "{shell:?}");
            other.kill().unwrap();
            other.wait().unwrap();
        }
    }
}
