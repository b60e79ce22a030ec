//! What nobody else may read, and what everybody has to, whatever umask the login has.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certwave::install::{Activation, FilePart, Staged};

use crate::dead_man::NEVER;
use crate::support::{Host, SHELLS, Shell, is_root, mode, read, version};

#[test]
fn nobody_else_may_open_a_lock_or_a_switch() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.login = "umask 0; ".to_owned();
        host.install(&version(1), None, "one");
        host.stage(&version(2), "two").unwrap();
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        for name in [".lock", ".lock.step", ".lock.running", ".dead-man.a.test", ".dead-man.a.test~on"] {
            assert_eq!(mode(&host.directory().join(name)), 0o600, "{shell:?}: {name}");
        }
        host.commit(Some(&version(1)));
    }
}

#[test]
fn everybody_may_enter_the_folders_that_servers_read() {
    for shell in SHELLS {
        for umask in ["0", "077"] {
            let mut host = Host::new(shell).with_command();
            host.login = format!("umask {umask}; ");
            host.install(&version(1), None, "one");
            for name in ["", "archive", "archive/a.test", "live", "live/a.test"] {
                assert_eq!(mode(&host.directory().join(name)), 0o755, "{shell:?}, umask {umask}: {name}");
            }
            assert_eq!(mode(&host.live("fullchain.pem")), 0o644, "{shell:?}, umask {umask}");
            assert_eq!(mode(&host.live("privkey.pem")), 0o600, "{shell:?}, umask {umask}");
        }
    }
}

#[test]
fn others_may_not_enter_an_upload_before_its_files_are_whose_they_shall_be() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell);
        if is_root() {
            host.spec.owner = Some("nobody".to_owned());
        }
        let seen = host.file("seen");
        let look = format!("for path; do :; done\nls -ld \"${{path%/*}}\" >'{}'", seen.display());
        host.shim("chown", &format!("{look}\nexec \"$real\" \"$@\""));
        assert_eq!(host.stage(&version(1), "one"), Ok(Staged::New), "{shell:?}");
        assert!(read(&seen).starts_with("drwx------"), "{shell:?}: {}", read(&seen));
    }
}

#[test]
fn a_key_that_is_kept_from_before_is_hidden_from_others() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        for (name, file) in
            [("a.crt", FilePart::Fullchain), ("a.key", FilePart::Privkey), ("a.pem", FilePart::Combined)]
        {
            let path = host.link(name, file);
            fs::write(&path, format!("before {name}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        host.install(&version(2), Some(&version(1)), "after");
        let kept = host.spec.layout.version(&version(1));
        for (file, wanted) in [("fullchain.pem", 0o644), ("privkey.pem", 0o640), ("combined.pem", 0o640)] {
            assert_eq!(mode(kept.join(file).as_str().as_ref()), wanted, "{shell:?}: {file}");
        }
    }
}
