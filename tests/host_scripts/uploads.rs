//! Uploads: where they go, and what becomes of those that were lost.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::{Duration, SystemTime};

use certwave::install::{Activation, FilePart, InstallSpec, Layout, Rollback, Staged};
use certwave::lab::wait_for;

use crate::support::{Call, Host, PATIENCE, SHELLS, Shell, body, finish, read, version};

/// Some servers skip a file whose time did not change.
#[test]
fn what_is_installed_has_the_time_of_its_installation() {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let certificate = host.link("a.crt", FilePart::Fullchain);
        fs::write(&certificate, "before\n").unwrap();
        File::options().write(true).open(&certificate).unwrap().set_modified(long_ago).unwrap();
        let begun = fs::metadata(host.file("bin")).unwrap().modified().unwrap();
        host.install(&version(2), Some(&version(1)), "two");
        for n in [1, 2] {
            let file = host.spec.layout.version(&version(n)).join("fullchain.pem");
            let time = fs::metadata(file.as_str()).unwrap().modified().unwrap();
            assert!(time >= begun, "{shell:?}: version {n}: {time:?}");
        }
    }
}

/// Its folder and its link come with what is uploaded.
#[test]
fn an_update_needs_no_process_to_make_a_folder_or_a_link() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        for tool in ["mkdir", "ln"] {
            host.shim(tool, "exit 1");
        }
        host.lend("flock");
        assert_eq!(host.stage(&version(2), "two"), Ok(Staged::New), "{shell:?}");
        assert_eq!(host.activate(&version(2), Some(&version(1))), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
        let link = fs::read_link(host.spec.layout.live().as_str()).unwrap();
        assert_eq!(link.to_str().unwrap(), host.spec.layout.live_target(&version(2)), "{shell:?}");
    }
}

/// Somebody's upload may still be under way.
#[test]
fn an_upload_after_one_that_was_lost_has_a_folder_of_its_own() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.lend("flock");
        let into = host.file("into");
        host.shim("tar", &format!("echo \"$@\" >'{}'\nexec \"$real\" \"$@\"", into.display()));
        let archive = host.spec.layout.archive();
        for (lost, own) in [
            (false, format!("-C {}\n", host.directory().display())),
            (true, format!("-C {archive}/.{}.partial.", version(3))),
        ] {
            let which = version(if lost { 3 } else { 2 });
            if lost {
                fs::write(host.directory().join(".lock"), "rollout 7\n").unwrap();
            }
            assert_eq!(host.stage(&which, "two"), Ok(Staged::New), "{shell:?}");
            assert!(read(&into).contains(&own), "{shell:?}: {}", read(&into));
        }
        // Until a commit, whoever comes is told that there was one.
        let lock = host.directory().join(".lock");
        assert_ne!(read(&lock), "", "{shell:?}");
        host.activate(&version(3), Some(&version(1))).unwrap();
        assert_ne!(read(&lock), "", "{shell:?}");
        host.commit(Some(&version(1)));
        assert_eq!(read(&lock), "", "{shell:?}");
        let left = fs::read_dir(archive.as_str())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with('.'));
        assert_eq!(left.collect::<Vec<_>>(), [".history"], "{shell:?}");
    }
}

/// Not every tar follows a link on its way.
#[test]
fn an_upload_into_a_folder_that_is_a_link_has_a_folder_of_its_own() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.lend("flock");
        let (archive, elsewhere) = (host.directory().join("archive"), host.file("elsewhere"));
        fs::rename(&archive, &elsewhere).unwrap();
        symlink(&elsewhere, &archive).unwrap();
        let into = host.file("into");
        host.shim("tar", &format!("echo \"$@\" >'{}'\nexec \"$real\" \"$@\"", into.display()));
        assert_eq!(host.stage(&version(2), "two"), Ok(Staged::New), "{shell:?}");
        let own = format!("-C {}/.{}.partial.", host.spec.layout.archive(), version(2));
        assert!(read(&into).contains(&own), "{shell:?}: {}", read(&into));
        assert_eq!(host.activate(&version(2), Some(&version(1))), Ok(Activation::Activated), "{shell:?}");
    }
}

#[test]
fn a_name_that_is_too_long_for_the_uploads_folder_is_installed_as_well() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let name = format!("{}.test", "n".repeat(150));
        host.spec.layout = Layout::new(host.spec.layout.directory().clone(), name.parse().unwrap());
        host.services.clear();
        host.install(&version(1), None, "one");
        host.install(&version(2), Some(&version(1)), "two");
        assert_eq!(host.inspect().complete, [version(1), version(2)], "{shell:?}");
        assert_eq!(read(&host.live("cert.pem")), body("two", FilePart::Cert), "{shell:?}");
    }
}

/// The longest that a playbook may have.
#[test]
fn the_longest_name_is_installed_and_undone_like_any_other() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let name = "n".repeat(Layout::LONGEST_NAME);
        host.spec.layout = Layout::new(host.spec.layout.directory().clone(), name.parse().unwrap());
        host.services.clear();
        let full = |number: u32| format!("{}-7d41a{number}", version(number)).parse().unwrap();
        host.install(&full(1), None, "one");
        host.install(&full(2), Some(&full(1)), "two");
        assert_eq!(host.inspect().complete, [full(1), full(2)], "{shell:?}");
        assert_eq!(host.rollback(&full(1), true), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!(read(&host.live("cert.pem")), body("one", FilePart::Cert), "{shell:?}");
    }
}

#[test]
fn an_upload_that_never_ends_holds_up_nothing() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        // More than what tar reads at once.
        let two = "2".repeat(10_000);
        let Call { script, input } =
            host.task(&InstallSpec::stage(&version(2), &host.payload(&two), &host.own()));
        let mut lost = host.login_command(&script).spawn().unwrap();
        let (some, rest) = input.split_at(40_000);
        lost.stdin.as_mut().unwrap().write_all(some).unwrap();
        let partial = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().contains(".partial.")
        };
        let archive = host.directory().join("archive/a.test");
        let begun = || fs::read_dir(&archive).unwrap().any(partial);
        assert!(wait_for(PATIENCE, begun), "{shell:?}");

        assert_eq!(host.inspect().complete, [version(1)], "{shell:?}");
        assert_eq!(host.stage(&version(2), &two), Ok(Staged::New), "{shell:?}");
        assert_eq!(host.activate(&version(2), Some(&version(1))), Ok(Activation::Activated), "{shell:?}");
        host.commit(Some(&version(1)));
        // The rest comes when nobody asks for it any more.
        let inode = fs::metadata(host.live("cert.pem")).unwrap().ino();
        finish(lost, rest);
        assert_eq!(fs::metadata(host.live("cert.pem")).unwrap().ino(), inode, "{shell:?}");
        assert_eq!(host.inspect().complete, [version(1), version(2)], "{shell:?}");
    }
}
