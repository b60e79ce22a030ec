//! `install: directory` where others can change it, or the way to it: who can do that would have root run a script of theirs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use certwave::install::{Facts, InstallError, InstallSpec, Layout, LockAnswer};

use crate::dead_man::NEVER;
use crate::require;
use crate::support::{Host, SHELLS, Shell, version};

const OTHER: u32 = 65534;

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A host whose `install: directory` is below another folder.
fn host(shell: Shell) -> Host {
    let mut host = Host::new(shell);
    let directory = host.file("srv/app/certwave").to_str().unwrap().parse().unwrap();
    host.spec.layout = Layout::new(directory, "a.test".parse().unwrap());
    fs::create_dir_all(host.file("srv/app")).unwrap();
    host.with_command()
}

/// What a survey says, and what a shell says that is to hold the lock: each names a folder, and why.
fn refused(host: &Host) -> [Option<(String, String)>; 2] {
    let ended = host.run(&host.spec.survey(&host.services));
    let facts = Facts::parse(&ended.output(), &host.spec, &host.services).unwrap();
    let mut told = facts.problems(&host.spec, &host.services).into_iter();
    let first = |error| match error {
        InstallError::Exposed { path, reason } => Some((path, reason)),
        other => panic!("{:?}: {other}", host.shell),
    };
    let survey = told.next().and_then(first);
    let ended = host.ask(&InstallSpec::inspect());
    let locked = (ended.status != 0).then(|| first(LockAnswer::failure(&ended.output()))).flatten();
    [survey, locked]
}

#[test]
fn a_directory_that_others_can_change_is_refused_before_anything_is_written() {
    if !require::root("to give folders away") {
        return;
    }
    type Expose = fn(&Host);
    let cases: [(&str, &str, Expose); 7] = [
        ("srv", "it belongs to user 65534", |host| {
            chown(host.file("srv"), Some(OTHER), None).unwrap();
        }),
        ("srv/app", "it belongs to user 65534", |host| {
            chown(host.file("srv/app"), Some(OTHER), None).unwrap();
        }),
        ("srv", "others may write to it", |host| allow(&host.file("srv"), 0o775)),
        ("srv/app", "others may write to it", |host| allow(&host.file("srv/app"), 0o757)),
        // Where others may make one of that name, too.
        ("srv/app/certwave", "it belongs to user 65534", |host| {
            allow(&host.file("srv/app"), 0o1777);
            fs::create_dir(host.directory()).unwrap();
            chown(host.directory(), Some(OTHER), None).unwrap();
        }),
        ("srv/app/certwave", "others may write to it", |host| {
            fs::create_dir(host.directory()).unwrap();
            allow(&host.directory(), 0o1777);
        }),
        ("srv/app", "it belongs to user 65534", |host| {
            fs::create_dir(host.file("elsewhere")).unwrap();
            fs::remove_dir(host.file("srv/app")).unwrap();
            symlink("../elsewhere", host.file("srv/app")).unwrap();
            lchown(host.file("srv/app"), Some(OTHER), None).unwrap();
        }),
    ];
    for shell in SHELLS {
        for (folder, why, expose) in cases {
            let host = host(shell);
            expose(&host);
            let told = Some((host.file(folder).to_str().unwrap().to_owned(), why.to_owned()));
            assert_eq!(refused(&host), [told.clone(), told], "{shell:?}: {folder}");
            let lock = host.directory().join(".lock");
            assert!(!lock.exists(), "{shell:?}: {folder}");
        }
        // What lies in it counts as well.
        for inside in ["archive", "archive/a.test", "live"] {
            let host = host(shell);
            host.install(&version(1), None, "one");
            let folder = host.directory().join(inside);
            chown(&folder, Some(OTHER), None).unwrap();
            let told = Some((folder.to_str().unwrap().to_owned(), format!("it belongs to user {OTHER}")));
            assert_eq!(refused(&host), [told.clone(), told], "{shell:?}: {inside}");
        }
    }
}

#[test]
fn a_directory_of_roots_is_used_also_below_a_sticky_folder_and_by_a_link_of_roots() {
    for shell in SHELLS {
        let host = host(shell);
        allow(&host.file("srv"), 0o1777);
        fs::rename(host.file("srv/app"), host.file("srv/real")).unwrap();
        symlink("real", host.file("srv/app")).unwrap();
        assert_eq!(refused(&host), [None, None], "{shell:?}");
        host.install(&version(1), None, "one");
        assert_eq!(refused(&host), [None, None], "{shell:?}");
    }
}

/// Debian and Red Hat give ordinary users a group of their own, and let it write to what they make.
#[test]
fn a_folder_that_an_ordinary_users_own_group_may_write_to_is_theirs_alone() {
    if !require::root("to give folders away") {
        return;
    }
    for shell in SHELLS {
        for (group, is_refused) in [(OTHER, false), (1, true)] {
            let mut host = host(shell);
            host.uid = Some(OTHER);
            (host.spec.owner, host.spec.group) = (Some("nobody".to_owned()), Some("nogroup".to_owned()));
            for folder in ["srv", "srv/app"] {
                chown(host.file(folder), Some(OTHER), Some(group)).unwrap();
                allow(&host.file(folder), 0o775);
            }
            let told = refused(&host).map(|told| told.is_some());
            assert_eq!(told, [is_refused; 2], "{shell:?}, group {group}");
        }
    }
}

/// The switch's script is root's to run only where it is root's: between its being written and started, somebody may have come.
#[test]
fn a_dead_man_switch_that_others_can_replace_is_not_started() {
    if !require::root("to give folders away") {
        return;
    }
    for shell in Shell::that_follow_path() {
        for gift in ["srv/app", "srv/app/certwave", "srv/app/certwave/.dead-man.a.test"] {
            let mut host = host(shell);
            host.install(&version(1), None, "one");
            host.stage(&version(2), "two").unwrap();
            // The last command before it is started.
            let (given, ran) = (host.file(gift), host.file("ran"));
            let script = format!(
                "\"$real\" \"$@\" || exit; case $* in *.dead-man*) echo \"touch '{}'\" >>'{}'; chown {OTHER} '{}';; esac",
                ran.display(),
                host.switch("").display().to_string().replace('\'', r"'\''"),
                given.display().to_string().replace('\'', r"'\''"),
            );
            host.shim("sync", &script);
            match host.activate_armed(NEVER) {
                Err(InstallError::Unarmed { reason, .. }) => {
                    assert!(reason.contains("is not run: "), "{shell:?}, {gift}: {reason}");
                }
                other => panic!("{shell:?}, {gift}: {other:?}"),
            }
            assert_eq!(host.live_version(), Some(version(1)), "{shell:?}, {gift}");
            assert!(!ran.exists(), "{shell:?}, {gift}");
        }
    }
}
