//! A rehearsal in each shell: servers see the throw-away version, nobody else does, and nothing of it stays.

use std::fs;

use certwave::install::{FilePart, StagePayload, Staged, Tested, rehearsed};

use crate::require;
use crate::support::{Host, SHELLS, Shell, files, quoted, version};

#[test]
fn a_rehearsal_is_seen_by_the_test_alone_and_leaves_nothing() {
    let can_unshare = require::mounts();
    for shell in SHELLS {
        // What was there before the first rollout, and then a version of ours.
        for installed in [false, true] {
            let mut host = Host::new(shell);
            let link = host.link("linked.pem", FilePart::Fullchain);
            fs::write(&link, "what is there now").unwrap();
            let linked = quoted(&link);
            host.command(&format!("grep -q rehearsed '{linked}'"), "true");
            host.command(&format!("echo 'it says no' >&2; ! grep -q rehearsed '{linked}'"), "true");
            if installed {
                let services = std::mem::take(&mut host.services);
                fs::remove_file(&link).unwrap();
                host.install(&version(1), None, "first");
                host.services = services;
            }
            let (tree, before) = (host.tree(), fs::read(&link).unwrap());
            let (aside, files) = (host.spec.aside(), files("rehearsed"));
            let payload = StagePayload::new(aside.layout.name(), &version(9), &files);
            let staged = host.spec.stage_aside(&version(9), &payload);
            let staged = host.run_with(&staged, payload.bytes.expose());
            assert_eq!(Staged::parse(&staged.output()).unwrap(), Staged::New, "{shell:?}");
            assert!(host.tree().len() > tree.len());
            let ended = host.run(&host.spec.rehearse(&version(9), &host.services));
            let tested = rehearsed(&ended.output(), &host.services).unwrap_or_else(|error| {
                panic!("{shell:?}: {error}\n{}", ended.text());
            });
            assert_eq!((host.tree(), fs::read(&link).unwrap()), (tree, before), "{shell:?}");
            if !can_unshare {
                assert!(matches!(&tested[..], [Tested::Untested(_)]), "{shell:?}: {tested:?}");
                continue;
            }
            let [took, refused] = &tested[..] else { panic!("{shell:?}: {tested:?}") };
            assert!(matches!(took, Tested::Took(_)), "{shell:?}: {took:?}");
            assert!(matches!(refused, Tested::Refused(_, why) if why.contains("it says no")), "{refused:?}");
        }
    }
}

/// util-linux's words where `/` is no mount point, as in a chroot.
#[test]
fn where_a_test_cannot_have_mounts_of_its_own_that_is_said() {
    let shells: Vec<Shell> = Shell::that_follow_path().collect();
    for (words, told) in [
        (
            "unshare: cannot change root filesystem propagation: Invalid argument",
            "its root folder is no mount point",
        ),
        ("unshare: unshare failed: Operation not permitted", "Operation not permitted"),
    ] {
        for &shell in &shells {
            let mut host = Host::new(shell);
            host.shim("unshare", &format!("echo '{words}' >&2; exit 1"));
            let ended = host.run(&host.spec.rehearse(&version(9), &host.services));
            let tested = rehearsed(&ended.output(), &host.services).unwrap();
            assert!(
                matches!(&tested[..], [Tested::Untested(why)] if why.contains(told)),
                "{shell:?}: {tested:?}"
            );
        }
    }
}
