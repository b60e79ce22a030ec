//! What keeps a dead-man switch alive, once the login that armed it is over.

use std::fs;
use std::os::unix::fs::chown;

use certwave::install::{Activation, Facts, InstallError, Keeper, Layout};

use crate::dead_man::NEVER;
use crate::support::{Host, SHELLS, Shell, version};

/// An ordinary user, who is in every `/etc/passwd`.
const NOBODY: u32 = 65534;

/// Version 1 is live and 2 is staged.
fn ready(mut host: Host, name: &str) -> Host {
    let directory = host.spec.layout.directory().clone();
    host.spec.layout = Layout::new(directory, name.parse().unwrap());
    host.services.clear();
    host.command("true", "true");
    host.install(&version(1), None, "one");
    host.stage(&version(2), "two").unwrap();
    host
}

/// The same, where scripts run as an ordinary user.
fn ordinary(shell: Shell) -> Option<Host> {
    let mut host = Host::managed(shell)?;
    for path in [host.file(""), host.file("asked")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    host.uid = Some(NOBODY);
    (host.spec.owner, host.spec.group) = (Some("nobody".to_owned()), Some("nogroup".to_owned()));
    Some(ready(host, "a.test"))
}

fn keeper(host: &Host) -> Option<Keeper> {
    let ended = host.run(&host.spec.survey(&host.services));
    Facts::parse(&ended.output(), &host.spec, &host.services).unwrap().keeper
}

#[test]
fn roots_systemd_keeps_it_however_long_the_certificates_name_is() {
    for shell in SHELLS {
        for length in [6, 100, 101, 200] {
            let Some(host) = Host::managed(shell) else { return };
            let name = format!("a.{}", "x".repeat(length - 2));
            let host = ready(host, &name);
            assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}, {length}");
            let asked = host.asked();
            assert!(asked.starts_with("--quiet --collect --unit=certwave-dead-man-a.xxx"), "{asked}");
            // A name that is short is there as it is.
            assert_eq!(asked.contains(&format!("-{name}-")), length <= 100, "{asked}");
            host.try_commit().unwrap();
            assert_eq!(keeper(&host), Some(Keeper::System), "{shell:?}");
        }
    }
}

#[test]
fn two_long_names_that_begin_alike_have_units_of_their_own() {
    let Some(one) = Host::managed(Shell::Dash) else { return };
    let mut one = ready(one, &format!("{}.one", "x".repeat(120)));
    one.activate_armed(NEVER).unwrap();
    one = ready(one, &format!("{}.two", "x".repeat(120)));
    one.activate_armed(NEVER).unwrap();
    let asked = one.asked();
    let hash = |line: &str| line.split("x-").nth(1).unwrap()[..16].to_owned();
    let hashes: Vec<String> = asked.lines().map(hash).collect();
    assert!(hashes.len() == 2 && hashes[0] != hashes[1], "{asked}");
    one.try_commit().unwrap();
}

#[test]
fn a_systemd_that_refuses_is_told_and_nothing_is_switched() {
    for shell in SHELLS {
        let Some(host) = Host::managed(shell) else { return };
        let host = ready(host, "a.test");
        for (script, words) in [
            ("echo 'Failed to connect to bus: No such file' >&2; exit 1", "Failed to connect to bus"),
            ("exit 0", "its process did not start"),
        ] {
            host.tell_systemd_run(script);
            match host.activate_armed(NEVER) {
                Err(InstallError::Unarmed { reason, .. }) => assert!(reason.contains(words), "{reason}"),
                other => panic!("{shell:?}: {other:?}"),
            }
            assert_eq!(host.live_version(), Some(version(1)), "{shell:?}");
            assert!(!host.switch("").exists(), "{shell:?}");
        }
    }
}

#[test]
fn an_ordinary_users_systemd_keeps_it_where_it_lingers() {
    for shell in SHELLS {
        let Some(host) = ordinary(shell) else { return };
        assert_eq!(keeper(&host), Some(Keeper::Session), "{shell:?}");
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(host.asked(), "", "{shell:?}");
        host.try_commit().unwrap();

        fs::write(host.file("var-lib/systemd/linger/nobody"), "").unwrap();
        assert_eq!(keeper(&host), Some(Keeper::User), "{shell:?}");
        host.stage(&version(2), "two").unwrap();
        host.rollback(&version(1), true).unwrap();
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        assert!(
            host.asked().starts_with("--user --quiet --collect --unit=certwave-dead-man-a.test-"),
            "{shell:?}"
        );
        host.try_commit().unwrap();
    }
}

#[test]
fn where_systemd_does_not_run_a_switch_is_a_process_of_its_own() {
    for shell in SHELLS {
        let host = ready(Host::new(shell), "a.test");
        assert_eq!(keeper(&host), Some(Keeper::None), "{shell:?}");
        assert_eq!(host.activate_armed(NEVER), Ok(Activation::Activated), "{shell:?}");
        host.try_commit().unwrap();
    }
}
