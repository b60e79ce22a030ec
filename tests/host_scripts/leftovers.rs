//! What earlier steps left, or others put in the way, is not taken for what this step made.

use std::fs;
use std::os::unix::fs::symlink;

use certwave::install::{Activation, FilePart, Rollback, Staged};

use crate::support::{Host, SHELLS, Shell, version};

#[test]
fn a_link_that_waits_to_become_the_live_one_is_made_again_where_it_leads_elsewhere() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.stage(&version(2), "two").unwrap();
        let waiting = host.directory().join(format!("live/.a.test~{}", version(2)));
        let _ = fs::remove_file(&waiting);
        symlink(format!("../archive/a.test/{}", version(1)), &waiting).unwrap();
        assert_eq!(host.activate(&version(2), Some(&version(1))), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        // There is none for the way back, but for what somebody put there.
        fs::write(host.directory().join(format!("live/.a.test~{}", version(1))), "in the way").unwrap();
        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
    }
}

#[test]
fn a_commit_removes_what_killed_steps_left_of_this_certificate_alone() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let left = [".rehearsal", ".dead-man.a.test~old", "archive/a.test/.x.partial.7", "live/.a.test~x"];
        let others = [".dead-man.a.test.on~old", "archive/b.test/.x.partial.7", "live/.a.test.on~x"];
        for path in left.iter().chain(&others) {
            fs::create_dir_all(host.directory().join(path)).unwrap();
        }
        host.commit(None);
        for path in left {
            assert!(!host.directory().join(path).exists(), "{shell:?}: {path}");
        }
        for path in others {
            assert!(host.directory().join(path).exists(), "{shell:?}: {path}");
        }
    }
}

#[test]
fn a_commit_removes_the_draft_of_a_link_and_no_folder_of_somebodys() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let names = ["a.key", "a.crt"];
        for name in names {
            host.link(name, FilePart::Fullchain);
        }
        host.install(&version(1), None, "one");
        let [draft, folder] = names.map(|name| host.file(&format!(".certwave~{name}")));
        fs::create_dir(&draft).unwrap();
        symlink("somewhere", draft.join("file")).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("notes"), "somebody's").unwrap();
        host.commit(None);
        assert!(!draft.exists() && folder.join("notes").exists(), "{shell:?}");
    }
}

#[test]
fn a_rollback_leaves_a_folder_of_somebodys_alone() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let live = host.directory().join("live/a.test");
        fs::remove_file(&live).unwrap();
        fs::create_dir(&live).unwrap();
        let refused = host.rollback(&version(1), true).unwrap_err().to_string();
        assert!(refused.contains("was not made by certwave"), "{shell:?}: {refused}");
        assert!(live.is_dir(), "{shell:?}");
    }
}

#[test]
fn an_upload_begins_with_an_empty_folder() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.lend("flock");
        let archive = host.directory().join("archive/a.test");
        let partial = archive.join(format!(".{}.partial.new", version(2)));
        fs::create_dir(&partial).unwrap();
        fs::write(partial.join("cert.rsa.pem"), "an earlier upload's").unwrap();
        assert_eq!(host.stage(&version(2), "two"), Ok(Staged::New), "{shell:?}");
        let names = |n| {
            let entries = fs::read_dir(archive.join(version(n).as_str())).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(2), names(1), "{shell:?}");
    }
}

#[test]
fn a_host_whose_certificate_could_not_be_kept_has_nothing_to_undo() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let link = host.link("api.crt", FilePart::Fullchain);
        fs::write(&link, "from before").unwrap();
        host.stage(&version(2), "two").unwrap();
        // As on a disk that has just filled up.
        host.shim("cp", "exit 1");
        assert!(host.activate(&version(2), Some(&version(1))).is_err(), "{shell:?}");
        let before = host.tree();
        // What may have been reloaded is never said to have gone back.
        assert!(host.rollback(&version(1), true).is_err(), "{shell:?}");
        assert_eq!(host.rollback(&version(1), false), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!((host.tree(), fs::read_to_string(&link).unwrap()), (before, "from before".to_owned()));
    }
}

/// A disk that fills up while what stood there is kept: each file of it may be the last that fits.
#[test]
fn a_disk_that_fills_while_a_certificate_is_kept_is_named_and_nothing_is_left_to_undo() {
    for shell in Shell::that_follow_path() {
        for fits in 0..4 {
            let mut host = Host::new(shell).with_command();
            let paths = [("a.crt", FilePart::Fullchain), ("a.key", FilePart::Privkey)]
                .map(|(name, file)| host.link(name, file));
            for path in &paths {
                fs::write(path, "from before").unwrap();
            }
            host.stage(&version(2), "two").unwrap();
            let copied = host.file("copied");
            host.shim(
                "cp",
                &format!(
                    "echo >>'{0}'\n[ \"$(wc -l <'{0}')\" -le {fits} ] || {{ echo 'cp: No space left on device' >&2; exit 1; }}\nexec \"$real\" \"$@\"",
                    copied.display()
                ),
            );
            let refused = host.activate(&version(2), Some(&version(1))).unwrap_err().to_string();
            let archive = host.spec.layout.archive();
            assert!(
                refused.starts_with(&format!("no room left in `{archive}`: ")),
                "{shell:?}, {fits}: {refused}"
            );
            assert_eq!(host.rollback(&version(1), false), Ok(Rollback::RolledBack), "{shell:?}, {fits}");
            for path in &paths {
                assert_eq!(fs::read_to_string(path).unwrap(), "from before", "{shell:?}, {fits}");
            }
            assert_eq!(host.live_version(), None, "{shell:?}, {fits}");
        }
    }
}
