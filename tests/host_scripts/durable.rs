//! What is on the disk before `live` points to it: after a power failure, all that it leads to must be there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use certwave::install::{Activation, AlreadyKnown, DeadMan, FilePart, InstallSpec};
use certwave::model::Version;

use crate::support::{Host, Shell, read, version};

/// From here on the host notes what it flushes and what it renames.
fn watch(host: &mut Host) {
    for tool in ["sync", "mv"] {
        let note = format!("printf '%s\\t' {tool} \"$@\"; printf '\\n'");
        let log = host.file("calls");
        host.shim(tool, &format!("{{ {note}; }} >>'{}'\nexec \"$real\" \"$@\"", log.display()));
    }
}

/// What had been flushed each time that `live` was about to change.
fn flushed(host: &Host) -> Vec<BTreeSet<PathBuf>> {
    let (live, calls) = (host.live(""), read(&host.file("calls")));
    let (mut flushed, mut changes, mut renamed) = (BTreeSet::new(), Vec::new(), false);
    for call in calls.lines() {
        let words: Vec<&str> = call.trim_end_matches('\t').split('\t').collect();
        match words[0] {
            "sync" => {
                let paths: Vec<PathBuf> = words[1..].iter().map(PathBuf::from).collect();
                assert!(!renamed || paths.contains(&live.parent().unwrap().into()), "{calls}");
                renamed = false;
                flushed.extend(paths);
            }
            _ if Path::new(words[words.len() - 1]) == live => {
                changes.push(flushed.clone());
                renamed = true;
            }
            _ => {}
        }
    }
    assert!(!renamed, "the last change is not flushed: {calls}");
    changes
}

/// All that a version is: its files, their names, its own name.
fn whole(host: &Host, version: &Version) -> BTreeSet<PathBuf> {
    let folder = PathBuf::from(host.spec.layout.version(version).as_str());
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    files.chain([folder.clone(), folder.parent().unwrap().into()]).collect()
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
        let dead_man = DeadMan {
            target: version(3),
            previous: version(2),
            not_after: jiff::Timestamp::MAX,
            after: std::time::Duration::from_secs(3600),
        };
        fs::write(host.file("calls"), "").unwrap();
        let task = InstallSpec::activate(
            &version(3),
            Some(&version(2)),
            Some(&dead_man),
            AlreadyKnown { whole: true, linked: true },
        );
        let done = Activation::parse(&host.ask(&task).output(), &host.services);
        assert_eq!(done, Ok(Activation::Activated), "{shell:?}");
        // After a power failure in between, the version before is live, which nobody minds.
        host.commit(Some(&version(2)));
        let changes = flushed(&host);
        let switch = host.directory().join(".dead-man.a.test");
        let mut wanted = whole(&host, &version(3));
        wanted.extend([switch, host.directory()]);
        assert!(changes[0].is_superset(&wanted), "{shell:?}: {changes:?}");
    }
}
