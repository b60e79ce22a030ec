//! What an inspection finds out about a host, and that nothing of it stays there.

use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use certwave::install::FilePart;
use certwave::lab::wait_for;

use crate::support::{Host, PATIENCE, SHELLS, Shell, is_root, version};

/// All that is in a folder, hidden or not.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.into_string().unwrap()).collect()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

impl Host {
    /// Scripts run as a login that is not root, and files belong to it.
    fn log_in_as_nobody(&mut self) {
        if is_root() {
            self.uid = Some(65534);
            self.spec.owner = Some("nobody".to_owned());
            self.spec.group = Some("nogroup".to_owned());
            chown(self.file(""), Some(65534), Some(65534)).unwrap();
        }
    }
}

#[test]
fn inspecting_leaves_nothing_behind() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        fs::create_dir(host.file("server")).unwrap();
        host.link("server/a.key", FilePart::Privkey);
        // A path that is not there yet, in a folder that is tried.
        host.inspect();
        assert_eq!(names(&host.file("server")), BTreeSet::new(), "{shell:?}");
        let left = names(&host.directory());
        assert!(left.iter().all(|name| name.starts_with(".lock")), "{shell:?}: {left:?}");
        let tried = fs::metadata(host.directory().join(".lock.step"));
        assert_eq!(tried.map_or(0, |tried| tried.len()), 0, "{shell:?}: what the room was tried with");

        host.install(&version(1), None, "one");
        let before = (host.tree(), names(&host.file("")), names(&host.file("server")));
        let facts = host.inspect();
        assert_eq!((host.tree(), names(&host.file("")), names(&host.file("server"))), before, "{shell:?}");
        assert!(facts.free_kib > 64 && facts.missing_tools.is_empty() && facts.unwritable.is_empty());
        assert_eq!(Some(facts.user), host.spec.owner);
    }
}

/// The lock's own file may not be written to any more: then the folder is tried.
#[test]
fn the_install_folder_is_tried_without_a_trace() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.log_in_as_nobody();
        let lock = host.directory().join(".lock");
        let facts = host.inspect_after(|| set_mode(&lock, 0o000));
        assert_eq!(facts.unwritable, [], "{shell:?}");
        let left = names(&host.directory());
        assert!(left.iter().all(|name| name.starts_with(".lock")), "{shell:?}: {left:?}");
    }
}

#[test]
fn a_folder_where_no_link_can_be_made_is_told() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.log_in_as_nobody();
        fs::create_dir(host.file("server")).unwrap();
        set_mode(&host.file("server"), 0o555);
        host.link("server/a.key", FilePart::Privkey);
        let problems = host.problems();
        let told = format!("`{}` cannot be written to: ", host.file("server").display());
        assert!(problems.len() == 1 && problems[0].starts_with(&told), "{shell:?}: {problems:?}");
        assert!(problems[0].contains("Permission denied"), "{shell:?}: {problems:?}");
    }
}

#[test]
fn a_folder_of_somebody_elses_in_the_install_folder_is_told() {
    for shell in SHELLS {
        for name in ["archive", "archive/a.test", "live"] {
            let mut host = Host::new(shell);
            host.log_in_as_nobody();
            host.stage(&version(1), "one").unwrap();
            let folder = host.directory().join(name);
            set_mode(&folder, 0o555);
            let problems = host.problems();
            set_mode(&folder, 0o755);
            let told = format!("`{}` cannot be written to: ", folder.display());
            assert!(problems.len() == 1 && problems[0].starts_with(&told), "{shell:?}: {problems:?}");
        }
    }
}

#[test]
fn a_group_that_the_login_may_not_give_files_to_is_told() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.log_in_as_nobody();
        assert_eq!(host.problems(), [""; 0], "{shell:?}");
        host.spec.group = Some("root".to_owned());
        let told = format!("user `{0}` may not give files to `{0}:root`", host.spec.owner.as_ref().unwrap());
        let problems = host.problems();
        assert!(problems.len() == 1 && problems[0].starts_with(&told), "{shell:?}: {problems:?}");
    }
}

#[test]
fn a_mv_that_cannot_replace_a_link_is_told() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell);
        host.shim("mv", "[ \"$1\" != --help ] || exec echo 'usage: mv SOURCE TARGET'\nexec \"$real\" \"$@\"");
        assert_eq!(host.problems(), ["the host lacks `mv -T`"], "{shell:?}");
    }
}

/// It could say anything of the host in lines of its own.
#[test]
fn a_line_break_in_what_a_link_leads_to_begins_no_line_of_the_answer() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let link = host.link("a.key", FilePart::Privkey);
        symlink("x\ncertwave:no-owner", link).unwrap();
        fs::create_dir_all(host.directory().join("live")).unwrap();
        symlink("y\rz\ncertwave:no-group", host.directory().join("live/a.test")).unwrap();
        let facts = host.inspect();
        assert!(facts.owner_exists && facts.group_exists, "{shell:?}: {facts:?}");
    }
}

#[test]
fn only_a_folder_of_the_archive_is_a_version() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.spec.keep = 1;
        host.install(&version(1), None, "one");
        let alias = host.directory().join("archive/a.test").join(version(7).as_str());
        symlink(version(1).as_str(), &alias).unwrap();
        assert_eq!(host.inspect().complete, [version(1)], "{shell:?}");
        assert_eq!(host.commit(None).pruned, [], "{shell:?}");
        assert!(alias.is_symlink(), "{shell:?}");
    }
}

/// Its controller gave up on it, and nobody else would tell what it changes.
#[test]
fn a_step_that_still_runs_is_waited_for() {
    for shell in [Shell::Dash, Shell::Bash] {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        fs::write(host.directory().join(".lock"), "rollout 7\n").unwrap();
        let waits = host.file("waits");
        let note = format!("[ \"$*\" != '-s 8' ] || : >'{}'", waits.display());
        host.shim("flock", &format!("{note}\nexec \"$real\" \"$@\""));
        let step = File::open(host.directory().join(".lock.step")).unwrap();
        step.lock().unwrap();
        std::thread::scope(|scope| {
            let inspected = scope.spawn(|| host.inspect());
            assert!(wait_for(PATIENCE, || waits.exists() || inspected.is_finished()), "{shell:?}");
            assert!(!inspected.is_finished(), "{shell:?}");
            drop(step);
            assert_eq!(inspected.join().unwrap().complete, [version(1)], "{shell:?}");
        });
        assert!(waits.exists(), "{shell:?}");
    }
}
