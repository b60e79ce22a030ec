//! Whose installed files are: as the playbook says, else as the file that they replace.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use certwave::install::{FilePart, Ownership};

use crate::support::{Host, SHELLS, is_root, mode, version};

/// A group that is not the tests' own, where they may give files away.
const GROUP: &str = "nogroup";

fn gid(path: &Path) -> u32 {
    fs::metadata(path).unwrap().gid()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A host whose playbook leaves everything open.
fn open_host(shell: crate::support::Shell) -> Host {
    let mut host = Host::new(shell).with_command();
    (host.spec.owner, host.spec.group, host.spec.key_mode) = (None, None, None);
    host
}

fn of(host: &Host) -> Result<Ownership, String> {
    Ownership::of(&host.spec, &host.inspect().key_files).map_err(|error| error.to_string())
}

#[test]
fn a_file_that_is_replaced_says_whose_the_new_one_is() {
    for shell in SHELLS {
        let mut host = open_host(shell);
        assert_eq!(host.inspect().key_files, [], "{shell:?}");
        let link = host.link("a key.pem", FilePart::Privkey);
        let other = host.link("a.crt", FilePart::Fullchain);
        fs::write(&link, "key").unwrap();
        fs::write(&other, "certificate").unwrap();
        set_mode(&link, 0o640);
        if is_root() {
            std::os::unix::fs::chown(&link, Some(65534), Some(65534)).unwrap();
        }
        let owned = of(&host).unwrap();
        assert_eq!(owned.key_mode, 0o640, "{shell:?}");
        if is_root() {
            assert_eq!((owned.owner.as_str(), owned.group.as_str()), ("nobody", GROUP), "{shell:?}");
        }
        // What a link of somebody else's leads to is what is replaced.
        let real = host.file("real.pem");
        fs::rename(&link, &real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(of(&host).unwrap(), owned, "{shell:?}");
    }
}

#[test]
fn two_files_that_differ_are_both_named() {
    for shell in SHELLS {
        let mut host = open_host(shell);
        for (name, mode) in [("one.key", 0o600), ("two.key", 0o640)] {
            let link = host.link(name, FilePart::Privkey);
            fs::write(&link, "key").unwrap();
            set_mode(&link, mode);
        }
        let problems = host.problems().join("\n");
        assert!(problems.contains("one.key") && problems.contains("two.key"), "{shell:?}: {problems}");
        assert!(problems.contains("0600") && problems.contains("0640"), "{shell:?}: {problems}");
        host.spec.key_mode = Some(0o600);
        assert_eq!(host.problems(), Vec::<String>::new(), "{shell:?}");
    }
}

#[test]
fn what_is_there_already_is_brought_in_line_when_the_playbook_says_otherwise() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.link("a.key", FilePart::Privkey);
        host.install(&version(1), None, "one");
        let spec = host.spec.clone();
        assert!(!host.inspect().is_misowned(&spec), "{shell:?}");
        host.spec.key_mode = Some(0o640);
        if is_root() {
            host.spec.group = Some(GROUP.to_owned());
        }
        assert!(host.inspect().is_misowned(&host.spec), "{shell:?}");
        host.stage(&version(1), "one").unwrap();
        assert!(!host.inspect().is_misowned(&host.spec), "{shell:?}");
        for (file, wanted) in [("privkey.pem", 0o640), ("combined.pem", 0o640), ("fullchain.pem", 0o644)] {
            assert_eq!(mode(&host.live(file)), wanted, "{shell:?}: {file}");
            assert!(!is_root() || gid(&host.live(file)) == 65534, "{shell:?}: {file}");
        }
        // A setting that is taken out of the playbook again leaves the files as they are.
        (host.spec.owner, host.spec.group, host.spec.key_mode) = (None, None, None);
        assert!(!host.inspect().is_misowned(&host.spec), "{shell:?}");
        assert_eq!(of(&host).unwrap().key_mode, 0o640, "{shell:?}");
    }
}

/// Without links, servers name what is live.
#[test]
fn without_links_the_live_key_says_whose_the_next_one_is() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.spec.key_mode = Some(0o640);
        host.install(&version(1), None, "one");
        (host.spec.owner, host.spec.group, host.spec.key_mode) = (None, None, None);
        assert_eq!(of(&host).unwrap().key_mode, 0o640, "{shell:?}");
    }
}
