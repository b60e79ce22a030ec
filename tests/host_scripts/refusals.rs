//! What is refused, with which words, and that nothing was changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use certwave::install::{
    Facts, FilePart, InstallError, InstallSpec, RemoteShells, Staged, SudoLog, SudoLogs,
};
use certwave::model::Secret;
use certwave::service::{self, ServiceSpec};

use crate::require;
use crate::support::{
    Host, SHELLS, Shell, body, finish, in_every_shell, is_root, quoted, read, version, words,
};

fn refused<T: std::fmt::Debug>(result: Result<T, InstallError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_payload_that_is_cut_off_or_changed_is_thrown_away() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let before = host.tree();
        let whole = host.payload("two");
        let mut task = InstallSpec::stage(&version(2), &whole, &host.own());
        let whole = whole.bytes;
        for length in [0, 100, 512, 1000, 1024, 1536, 3000, whole.size() - 1500] {
            task.payload = Some(Secret::new(whole.expose()[..length].to_vec()));
            Staged::parse(&host.ask(&task).output()).unwrap_err();
            assert_eq!(host.tree(), before, "{shell:?} {length}");
        }
        let mut changed = whole.expose().to_vec();
        changed[1024] ^= 1;
        task.payload = Some(Secret::new(changed));
        assert_eq!(
            refused(Staged::parse(&host.ask(&task).output())),
            "the files that arrived are not those that were sent"
        );
        assert_eq!(host.tree(), before);
    }
}

#[test]
fn a_file_size_limit_stops_staging_and_changes_nothing() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let before = host.tree();
        host.login = "ulimit -f 8; ".to_owned();
        let ended =
            host.ask(&InstallSpec::stage(&version(2), &host.payload(&"x".repeat(50_000)), &host.own()));
        let error = refused(Staged::parse(&ended.output()));
        assert!(error.starts_with("no room left") || error.contains("unpacked"), "{shell:?}: {error}");
        assert_eq!(host.tree(), before);
    }
}

/// A mount over the host's folder.
pub(crate) struct Mounted(std::path::PathBuf);

impl Mounted {
    /// An empty file system; None where it may not be mounted.
    fn tmpfs(host: &Host, options: &str) -> Option<Mounted> {
        Mounted::over(host, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// The folder as it is, but nobody may write there; None where it may not be mounted.
    pub(crate) fn read_only(host: &Host) -> Option<Mounted> {
        let folder = host.directory();
        let mounted = Mounted::over(host, &["--bind", folder.to_str().unwrap()])?;
        // A bind becomes read-only by a second call (mount(8)).
        words("mount", &["-o", "remount,bind,ro", folder.to_str().unwrap()]);
        Some(mounted)
    }

    fn over(host: &Host, arguments: &[&str]) -> Option<Mounted> {
        fs::create_dir_all(host.directory()).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(host.directory()).output().unwrap();
        if !mounted.status.success() {
            require::unmounted(&String::from_utf8_lossy(&mounted.stderr));
            return None;
        }
        Some(Mounted(host.directory()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a switch that waits may look into it just now.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_told_and_changes_nothing() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        let Some(_tmpfs) = Mounted::tmpfs(&host, "size=64k,mode=755") else { return };
        host.install(&version(1), None, "one");
        let before = host.tree();
        let error = refused(host.stage(&version(2), &"x".repeat(50_000)));
        assert!(error.starts_with("no room left in"), "{shell:?}: {error}");
        assert_eq!(host.tree(), before);
        let problems = host.problems();
        assert!(problems[0].starts_with("no room in"), "{problems:?}");
    }
}

#[test]
fn a_read_only_file_system_is_told() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        fs::create_dir(host.directory()).unwrap();
        let expected = format!("`{}` is on a read-only file system", host.directory().display());
        let mut read_only = None;
        let problems = host.problems_after(|| read_only = Mounted::read_only(&host));
        let Some(_read_only) = read_only else { return };
        assert_eq!(problems, [expected.as_str()], "{shell:?}");
        let ended = host.run(&host.attending("me"));
        assert_eq!(certwave::install::LockAnswer::failure(&ended.output()).to_string(), expected);
    }
}

#[test]
fn a_folder_of_someone_else_is_told() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.uid = is_root().then_some(65534);
        host.spec.owner = Some("root".to_owned());
        fs::create_dir(host.directory()).unwrap();
        let belongs = |user, mode| {
            chown(host.directory(), user, None).unwrap();
            fs::set_permissions(host.directory(), fs::Permissions::from_mode(mode)).unwrap();
        };
        // Once the lock is taken: before, it would be refused.
        let taken_away = || belongs(is_root().then_some(0), 0o555);
        belongs(host.uid, 0o755);
        let problems = host.problems_after(taken_away);
        assert!(problems[0].contains("cannot be written to: "), "{shell:?}: {problems:?}");
        assert!(problems[0].contains("Permission denied"), "{shell:?}: {problems:?}");
        assert!(problems[1].contains("may not give files to `root:"), "{shell:?}: {problems:?}");
        belongs(host.uid, 0o755);
        let stage = InstallSpec::stage(&version(2), &host.payload("one"), &host.own());
        let error = refused(Staged::parse(&host.ask_after(&stage, taken_away).output()));
        assert!(error.contains("cannot be written to"), "{error}");
    }
}

#[test]
fn users_and_groups_that_do_not_exist_are_told() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.spec.owner = Some("no such user".to_owned());
        host.spec.group = Some("nogroup.*".to_owned());
        let problems = host.problems();
        assert!(
            problems.contains(&"user `no such user` does not exist on the host".to_owned()),
            "{problems:?}"
        );
        assert!(
            problems.contains(&"group `nogroup.*` does not exist on the host".to_owned()),
            "{problems:?}"
        );
        assert_eq!(refused(host.stage(&version(1), "one")), "user `no such user` does not exist on the host");
        assert_eq!(host.inspect().complete, []);
    }
}

#[test]
fn what_a_link_would_hide_is_never_lost() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let path = host.link("a.crt", FilePart::Fullchain);
        let second = host.link("b.crt", FilePart::Fullchain);
        let occupied = |error: String, path: &std::path::Path| {
            assert!(error.starts_with(&format!("`{}` is not what", path.display())), "{shell:?}: {error}");
        };
        host.stage(&version(2), "two").unwrap();
        let before = host.tree();

        // No certificate could be read from it, so there is no previous version to keep it as.
        fs::write(&path, "strange").unwrap();
        occupied(refused(host.activate(&version(2), None)), &path);
        // Two paths that would be one file, but differ.
        fs::write(&second, "another").unwrap();
        occupied(refused(host.activate(&version(2), Some(&version(1)))), &second);
        assert_eq!((read(&path).as_str(), read(&second).as_str()), ("strange", "another"));
        assert_eq!(host.tree(), before);

        fs::remove_file(&second).unwrap();
        fs::create_dir(&second).unwrap();
        assert!(host.problems()[0].contains("move it away"));
        occupied(refused(host.activate(&version(2), Some(&version(1)))), &second);
        fs::remove_dir(&second).unwrap();

        // With a live version, only what equals it becomes a link.
        fs::remove_file(&path).unwrap();
        host.install(&version(2), None, "two");
        host.stage(&version(3), "three").unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "by hand").unwrap();
        occupied(refused(host.activate(&version(3), Some(&version(2)))), &path);
        assert_eq!((read(&path).as_str(), host.live_version()), ("by hand", Some(version(2))));
        fs::write(&path, body("two", FilePart::Fullchain)).unwrap();
        host.activate(&version(3), Some(&version(2))).unwrap();
        assert_eq!(read(&path), body("three", FilePart::Fullchain));
    }
}

#[test]
fn a_live_link_of_someone_else_and_a_missing_folder_are_told() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.stage(&version(1), "one").unwrap();
        symlink("/etc/letsencrypt", host.directory().join("live/a.test")).unwrap();
        assert!(host.problems()[0].contains("was not made by certwave"));
        assert!(refused(host.activate(&version(1), None)).contains("was not made by certwave"));
        fs::remove_file(host.directory().join("live/a.test")).unwrap();
        fs::create_dir(host.directory().join("live/a.test")).unwrap();
        assert!(refused(host.activate(&version(1), None)).contains("was not made by certwave"));
        fs::remove_dir(host.directory().join("live/a.test")).unwrap();
        host.link("missing/a.crt", FilePart::Fullchain);
        assert!(host.problems()[0].contains("the folder of `"));
        assert!(refused(host.activate(&version(1), None)).contains("the folder of `"));
        assert_eq!(host.live_version(), None);
    }
}

#[test]
fn versions_are_checked_before_the_switch() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        assert_eq!(
            refused(host.activate(&version(2), Some(&version(1)))),
            format!("version `{}` is not complete in the host's archive", version(2))
        );
        assert!(refused(host.rollback(&version(2), true)).contains("is not complete"));
        // Damaged, and nothing to go back to.
        host.stage(&version(2), "two").unwrap();
        fs::write(host.spec.layout.version(&version(2)).join("chain.pem").as_str(), "").unwrap();
        assert!(refused(host.rollback(&version(2), true)).contains("is not complete"));
        host.stage(&version(3), "three").unwrap();
        let moved = refused(host.activate(&version(3), Some(&version(2))));
        assert_eq!(
            moved,
            format!("another version became live since the host was inspected: `{}`", version(1))
        );
        assert_eq!(host.live_version(), Some(version(1)));
    }
}

#[test]
fn missing_tools_are_told() {
    if !Shell::Busybox.follows_path() {
        return;
    }
    let host = Host::new(Shell::Busybox);
    fs::remove_file(host.file("bin/tar")).unwrap();
    assert_eq!(host.problems(), ["the host lacks `tar`"]);
}

#[test]
fn a_hanging_command_is_given_up() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let spec = ServiceSpec::Command(service::Command {
            test: Some("sleep 600".to_owned()),
            reload: "true".to_owned(),
        });
        host.add_service("slow", &spec, 1);
        host.stage(&version(1), "one").unwrap();
        let problem = host.activate(&version(1), None).unwrap().problem().unwrap();
        assert!(problem.ends_with("gave up after 1 s"), "{shell:?}: {problem}");
        assert_eq!(host.live_version(), None);
    });
}

/// Of coreutils and of busybox.
#[test]
fn a_command_that_ends_with_the_status_of_timeout_did_not_hang() {
    for shell in SHELLS {
        for status in [124, 143] {
            let mut host = Host::new(shell);
            host.command(&format!("echo no; exit {status}"), "true");
            host.stage(&version(1), "one").unwrap();
            let problem = host.activate(&version(1), None).unwrap().problem().unwrap();
            assert!(problem.ends_with(": no"), "{shell:?}, {status}: {problem}");
        }
    }
}

#[test]
fn a_login_shell_may_chatter() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.login = "printf 'Welcome to web01'; echo oops >&2; ".to_owned();
        host.stage(&version(1), "one").unwrap();
        let ended = host.run(&host.spec.survey(&[]));
        assert_eq!(Facts::parse(&ended.output(), &host.spec, &[]).unwrap().complete, [version(1)]);
        host.login = format!("cd '{}' && ", quoted(&host.file("gone")));
        let error = refused(host.stage(&version(2), "two"));
        assert!(error.contains("ended with status") && error.contains("gone"), "{error}");
    }
}

#[test]
fn becoming_another_user_works_or_is_told() {
    if !require::root("for sudo without a password") || !require::program("sudo") {
        return;
    }
    let mut host = Host::new(Shell::Dash);
    host.become_user = Some("nobody".to_owned());
    let ended = host.run(&host.spec.survey(&[]));
    let facts = Facts::parse(&ended.output(), &host.spec, &[]).unwrap();
    // Of root's own input, nobody can tell whether sudo made it.
    assert_eq!((facts.user.as_str(), facts.sudo_logs.input), ("nobody", SudoLog::Unknown));
    host.become_user = Some("root".to_owned());
    let ended = host.run(&host.spec.survey(&[]));
    let facts = Facts::parse(&ended.output(), &host.spec, &[]).unwrap();
    assert_eq!((facts.user.as_str(), facts.sudo_logs), ("root", SudoLogs::default()));
    host.become_user = Some("nobody".to_owned());
    // It may not open what the login's user was given as input, but read it.
    fs::create_dir(host.directory()).unwrap();
    chown(host.directory(), Some(65534), None).unwrap();
    let attending = RemoteShells::new("me", []).attend(&host.spec, &[], Some(&InstallSpec::inspect()));
    let pieces = attending.input.iter().map(|piece| piece.expose());
    let line = attending.first_line();
    let whole: Vec<u8> = [line.as_bytes()].into_iter().chain(pieces).flatten().copied().collect();
    let ended = finish(host.login().spawn().unwrap(), &whole);
    assert!(ended.text().contains("certwave:user 65534 nobody"), "{}", ended.text());
    host.become_user = Some("no such user".to_owned());
    let error = refused(host.stage(&version(1), "one"));
    assert!(error.starts_with("`sudo` refused: "), "{error}");
    host.uid = Some(65534);
    host.become_user = Some("root".to_owned());
    let error = refused(host.stage(&version(1), "one"));
    assert!(error.starts_with("`sudo -n` asks for a password"), "{error}");
}
