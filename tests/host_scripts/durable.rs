//! What is on the disk before `live` points to it, and after each step: after a power failure, all that a link leads to
//! must be there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use certwave::install::{Activation, AlreadyKnown, DeadMan, FilePart, InstallSpec, Rollback, Staged};
use certwave::model::Version;

use crate::support::{Host, Shell, read, version};

/// From here on the host notes what it flushes and what it renames.
pub(crate) fn watch(host: &mut Host) {
    fs::write(host.file("calls"), "").unwrap();
    for tool in ["sync", "mv"] {
        let note = format!(
            "printf '%s\\t' {tool}; for p; do case $p in -* | /*) ;; *) p=$PWD/$p ;; esac; printf '%s\\t' \"$p\"; done; printf '\\n'"
        );
        let log = host.file("calls");
        host.shim(tool, &format!("{{ {note}; }} >>'{}'\nexec \"$real\" \"$@\"", log.display()));
    }
}

/// What was noted.
#[derive(Debug, PartialEq)]
pub(crate) enum Noted {
    Flushed(Vec<PathBuf>),
    Renamed { from: PathBuf, to: PathBuf },
}

pub(crate) fn noted(host: &Host) -> Vec<Noted> {
    let calls = read(&host.file("calls"));
    let noted = calls.lines().map(|call| {
        let words: Vec<&str> = call.trim_end_matches('\t').split('\t').collect();
        match words[..] {
            ["sync", ref paths @ ..] => Noted::Flushed(paths.iter().map(|path| plain(path)).collect()),
            [.., from, to] => Noted::Renamed { from: plain(from), to: plain(to) },
            _ => panic!("{call}"),
        }
    });
    noted.collect()
}

/// Without `.` and `..`.
fn plain(path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// What had been flushed each time that `live` was about to change.
fn flushed(host: &Host) -> Vec<BTreeSet<PathBuf>> {
    let (live, calls) = (host.live(""), noted(host));
    let (mut flushed, mut changes, mut renamed) = (BTreeSet::new(), Vec::new(), false);
    for call in &calls {
        match call {
            Noted::Flushed(paths) => {
                assert!(!renamed || paths.contains(&live.parent().unwrap().into()), "{calls:?}");
                renamed = false;
                flushed.extend(paths.clone());
            }
            Noted::Renamed { to, .. } if *to == live => {
                changes.push(flushed.clone());
                renamed = true;
            }
            Noted::Renamed { .. } => {}
        }
    }
    assert!(!renamed, "the last change is not flushed: {calls:?}");
    changes
}

/// Whether the folder of a path was flushed after something was renamed to it.
fn is_flushed_after_its_rename(host: &Host, path: &Path) -> bool {
    let calls = noted(host);
    let renamed = calls.iter().rposition(|call| matches!(call, Noted::Renamed { to, .. } if to == path));
    let folder = path.parent().unwrap().to_owned();
    let after = &calls[renamed.unwrap_or_else(|| panic!("`{}` was not renamed", path.display()))..];
    after.iter().any(|call| matches!(call, Noted::Flushed(paths) if paths.contains(&folder)))
}

/// All that a version is: its files, their names, its own name.
fn whole(host: &Host, version: &Version) -> BTreeSet<PathBuf> {
    let folder = PathBuf::from(host.spec.layout.version(version).as_str());
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    files.chain([folder.clone(), folder.parent().unwrap().into()]).collect()
}

fn activate_armed(host: &Host) {
    let dead_man = DeadMan {
        target: version(3),
        previous: version(2),
        not_after: jiff::Timestamp::MAX,
        after: std::time::Duration::from_secs(3600),
    };
    let seen = AlreadyKnown { whole: true, linked: true, live: None };
    let task = InstallSpec::activate(&version(3), Some(&version(2)), Some(&dead_man), &seen);
    let done = Activation::parse(&host.ask(&task).output(), &host.services);
    assert_eq!(done, Ok(Activation::Activated), "{:?}", host.shell);
}

#[test]
fn a_version_is_on_the_disk_before_it_is_live() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell).with_command();
        let key = host.link("a.key", FilePart::Privkey);
        fs::write(&key, "somebody's\n").unwrap();
        watch(&mut host);

        host.install(&version(2), Some(&version(1)), "two");
        let changes = flushed(&host);
        assert_eq!(changes.len(), 2, "{shell:?}: what was there is kept first");
        assert!(changes[0].is_superset(&whole(&host, &version(1))), "{shell:?}: {changes:?}");
        assert!(changes[1].is_superset(&whole(&host, &version(2))), "{shell:?}: {changes:?}");

        host.stage(&version(3), "three").unwrap();
        fs::write(host.file("calls"), "").unwrap();
        activate_armed(&host);
        // After a power failure in between, the version before is live, which nobody minds.
        host.commit(Some(&version(2)));
        let changes = flushed(&host);
        let switch = host.directory().join(".dead-man.a.test");
        let mut wanted = whole(&host, &version(3));
        wanted.extend([switch, host.directory()]);
        assert!(changes[0].is_superset(&wanted), "{shell:?}: {changes:?}");
    }
}

/// The switch may be taken away by a commit and by a rollback, or there is none.
#[test]
fn what_is_live_is_on_the_disk_when_a_step_confirms_it() {
    for shell in Shell::that_follow_path() {
        for armed in [false, true] {
            for confirm in ["commit", "rollback"] {
                let mut host = Host::new(shell).with_command();
                host.install(&version(2), None, "two");
                host.stage(&version(3), "three").unwrap();
                watch(&mut host);
                if armed {
                    activate_armed(&host);
                } else {
                    assert_eq!(host.activate(&version(3), Some(&version(2))), Ok(Activation::Activated));
                }
                match confirm {
                    "commit" => drop(host.commit(Some(&version(2)))),
                    _ => assert_eq!(host.rollback(&version(2), true), Ok(Rollback::RolledBack)),
                }
                let context = format!("{shell:?}, {confirm}, armed: {armed}");
                assert!(is_flushed_after_its_rename(&host, &host.live("")), "{context}");
                // That it is taken away is a change of the install folder.
                let last = noted(&host).pop();
                let taken = matches!(&last, Some(Noted::Flushed(paths)) if paths.contains(&host.directory()));
                assert!(taken || !armed, "{context}: {last:?}");
            }
        }
    }
}

#[test]
fn a_new_link_is_on_the_disk_when_its_step_ends() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell).with_command();
        fs::create_dir(host.file("server")).unwrap();
        let key = host.link("server/a.key", FilePart::Privkey);
        watch(&mut host);
        host.install(&version(1), None, "one");
        assert!(is_flushed_after_its_rename(&host, &key), "{shell:?}");
        // Nothing was live before: without `live`, the link would lead nowhere.
        assert!(is_flushed_after_its_rename(&host, &host.live("")), "{shell:?}");
    }
}

#[test]
fn a_damaged_version_is_mended_by_files_that_are_on_the_disk() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        fs::write(host.live("chain.pem"), "").unwrap();
        watch(&mut host);
        assert_eq!(host.stage(&version(1), "one"), Ok(Staged::New), "{shell:?}");
        let mut flushed = BTreeSet::new();
        let mut mended = 0;
        for call in noted(&host) {
            match call {
                Noted::Flushed(paths) => flushed.extend(paths),
                Noted::Renamed { from, .. } => {
                    mended += 1;
                    assert!(flushed.contains(&from), "{shell:?}: {}", from.display());
                }
            }
        }
        assert_eq!(mended, 6, "{shell:?}: five files and the manifest");
        let manifest = host.spec.layout.version(&version(1)).join(".manifest");
        assert!(is_flushed_after_its_rename(&host, Path::new(manifest.as_str())), "{shell:?}");
    }
}
