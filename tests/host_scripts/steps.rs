//! Each step from a clean start to its end.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use certwave::install::{
    Activation, AlreadyKnown, FilePart, InstallSpec, LinkState, Live, OnDisk, Rollback, Staged,
};
use certwave::lab::wait_for;

use crate::support::{Host, PATIENCE, SHELLS, Shell, body, is_root, mode, quoted, read, version, words};

#[test]
fn a_first_installation_and_the_next() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let key = host.link("a.key", FilePart::Privkey);
        let facts = host.inspect();
        assert_eq!(
            (&facts.live, &facts.active, &facts.links[..]),
            (&Live::Missing, &Vec::<String>::new(), &[LinkState::Missing][..])
        );
        assert_eq!(facts.problems(&host.spec, &host.services), []);

        assert_eq!(host.stage(&version(1), "one"), Ok(Staged::New), "{shell:?}");
        assert!(!host.live("").exists() && !key.exists());
        assert_eq!(host.activate(&version(1), None), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(read(&key), "one key\n");
        assert_eq!(mode(&host.live("privkey.pem")), 0o600);
        assert_eq!(mode(&host.live("combined.pem")), 0o600);
        assert_eq!(mode(&host.live("fullchain.pem")), 0o644);
        assert_eq!(mode(&host.live("")), 0o755);
        assert_eq!(mode(&host.live(".manifest")), 0o600);

        host.install(&version(2), Some(&version(1)), "two");
        assert_eq!(read(&key), "two key\n");
        let facts = host.inspect();
        assert_eq!(facts.live_version(), Some(&version(2)));
        assert_eq!(facts.complete, [version(1), version(2)]);
        assert_eq!(facts.links, [LinkState::Ours]);
        assert_eq!(read(&host.file("reloads")), "one certificate\ntwo certificate\n");

        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack));
        assert_eq!(read(&key), "one key\n");
        assert_eq!(read(&host.file("reloads")), "one certificate\ntwo certificate\none certificate\n");
    }
}

#[test]
fn a_complete_version_is_never_rewritten_and_a_damaged_one_is_mended() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let inode = fs::metadata(host.live("cert.pem")).unwrap().ino();
        assert_eq!(host.stage(&version(1), "other"), Ok(Staged::Already));
        assert_eq!(fs::metadata(host.live("cert.pem")).unwrap().ino(), inode);

        fs::write(host.live("chain.pem"), "").unwrap();
        assert_eq!(host.inspect().complete, []);
        assert_eq!(host.stage(&version(1), "one"), Ok(Staged::New));
        assert_eq!(host.inspect().complete, [version(1)]);
        assert_eq!(read(&host.live("chain.pem")), "one certificate\n");
    }
}

#[test]
fn activating_again_only_tests_and_reloads() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let link = fs::symlink_metadata(host.spec.layout.live().as_str()).unwrap().ino();
        assert_eq!(host.activate(&version(1), None), Ok(Activation::Activated));
        assert_eq!(fs::symlink_metadata(host.spec.layout.live().as_str()).unwrap().ino(), link);
        assert_eq!(read(&host.file("reloads")), "one certificate\none certificate\n");
    }
}

#[test]
fn a_refused_certificate_is_swapped_back_before_anything_is_reloaded() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.stage(&version(2), "bad").unwrap();
        let refused = host.activate(&version(2), Some(&version(1))).unwrap();
        assert_eq!(
            refused,
            Activation::Refused {
                service: "command".parse().unwrap(),
                output: "bad certificate".to_owned(),
                swapped_back: true,
                broken_before: false
            }
        );
        assert_eq!(refused.problem().unwrap(), "command refused the configuration: bad certificate");
        assert_eq!(host.live_version(), Some(version(1)));
        assert_eq!(read(&host.file("reloads")), "one certificate\n");
    }
}

#[test]
fn a_configuration_that_was_broken_before_is_told_from_a_bad_certificate() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.command("test ! -e /", "true");
        host.install_unchecked();
        assert!(matches!(
            host.activate(&version(2), Some(&version(1))),
            Ok(Activation::Refused { swapped_back: true, broken_before: true, .. })
        ));
    }
}

#[test]
fn a_refused_first_installation_leaves_nothing_live() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let key = host.link("a.key", FilePart::Privkey);
        host.stage(&version(1), "bad").unwrap();
        assert!(matches!(
            host.activate(&version(1), None),
            Ok(Activation::Refused { swapped_back: true, broken_before: false, .. })
        ));
        assert_eq!(host.live_version(), None);
        assert!(fs::symlink_metadata(key).is_err());
    }
}

#[test]
fn a_failed_reload_is_told_and_rolled_back() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.command("true", "echo no; exit 3");
        host.stage(&version(2), "two").unwrap();
        assert_eq!(
            host.activate(&version(2), Some(&version(1))),
            Ok(Activation::ReloadFailed { service: "command".parse().unwrap(), output: "no".to_owned() })
        );
        assert_eq!(host.live_version(), Some(version(2)));
        assert!(matches!(host.rollback(&version(1), true), Ok(Rollback::ReloadFailed { .. })));
        // The first service is reloaded all the same.
        assert_eq!(read(&host.file("reloads")), "one certificate\ntwo certificate\none certificate\n");
        assert_eq!(host.rollback(&version(1), false), Ok(Rollback::RolledBack));
        assert_eq!(host.live_version(), Some(version(1)));
    }
}

#[test]
fn a_rollback_tells_the_first_of_two_failures_and_tries_both() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.install(&version(2), Some(&version(1)), "two");
        let tried = host.file("tried");
        host.command("echo 'it says no'; exit 1", "true");
        host.command(
            "true",
            &format!("cat '{}' >'{}'; exit 1", quoted(&host.live("cert.pem")), quoted(&tried)),
        );
        let failed = host.rollback(&version(1), true).unwrap();
        assert!(
            matches!(&failed, Rollback::TestFailed { output, .. } if output == "it says no"),
            "{shell:?}: {failed:?}"
        );
        assert_eq!(read(&tried), "one certificate\n", "{shell:?}");
    }
}

#[test]
fn what_stood_at_the_links_becomes_the_previous_version() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let chain = host.link("a.crt", FilePart::Fullchain);
        let key = host.link("a.key", FilePart::Privkey);
        let both = host.link("a.pem", FilePart::Combined);
        fs::write(&chain, "before certificate\n").unwrap();
        // A link of someone else's, to a key that anybody can read.
        fs::write(host.file("elsewhere.key"), "before key\n").unwrap();
        fs::set_permissions(host.file("elsewhere.key"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink("elsewhere.key", &key).unwrap();
        let facts = host.inspect();
        assert_eq!(
            facts.links,
            [LinkState::File, LinkState::OtherLink("elsewhere.key".into()), LinkState::Missing]
        );

        host.install(&version(2), Some(&version(1)), "after");
        assert_eq!(read(&chain), "after certificate\n");
        assert_eq!(read(&key), "after key\n");
        assert_eq!(read(&both), "after key\n");
        assert_eq!(host.inspect().links, [LinkState::Ours, LinkState::Ours, LinkState::Ours]);
        assert_eq!(host.inspect().complete, [version(1), version(2)]);

        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack));
        assert_eq!(read(&chain), "before certificate\n");
        assert_eq!(read(&key), "before key\n");
        assert!(!chain.is_symlink() && fs::read_link(&key).unwrap() == Path::new("elsewhere.key"));
        assert_eq!(mode(&key), 0o644);
        assert!(!both.exists() && !both.is_symlink(), "there was none before");
        assert_eq!(read(&host.file("elsewhere.key")), "before key\n");
    }
}

#[test]
fn only_certificates_are_read_out() {
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----";
    let key = "-----BEGIN PRIVATE KEY-----\nSECRETKEY\n-----END PRIVATE KEY-----";
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let both = host.link("a.pem", FilePart::Combined);
        fs::write(&both, format!("{key}\n{certificate}\r\n{key}\n{certificate}\n")).unwrap();
        let ended = host.ask(&InstallSpec::inspect());
        assert!(!ended.text().contains("SECRETKEY"), "{}", ended.text());
        assert_eq!(host.inspect().active, [certificate]);

        // A certificate that does not end must not open the way to what follows.
        fs::write(&both, format!("-----BEGIN CERTIFICATE-----\nMIIB\n{key}\n")).unwrap();
        let ended = host.ask(&InstallSpec::inspect());
        assert!(!ended.text().contains("SECRETKEY"), "{}", ended.text());
        assert_eq!(host.inspect().active, Vec::<String>::new());

        fs::remove_file(&both).unwrap();
        host.install(&version(1), None, certificate);
        fs::remove_file(host.live("cert.pem")).unwrap();
        fs::write(host.live("cert.pem"), certificate).unwrap();
        assert_eq!(host.inspect().active, [certificate]);
    }
}

#[test]
fn a_certificate_that_may_not_be_read_is_passed_over_in_silence() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let file = host.link("a.crt", FilePart::Fullchain);
        fs::write(&file, "somebody's\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        host.uid = is_root().then_some(65534);
        let ended = host.run(&host.spec.status(&[]));
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{shell:?}");
        assert_eq!(OnDisk::parse(&ended.output(), &host.spec, &[]).unwrap().active, Vec::<String>::new());
    }
}

/// Not every tar gives a file its mode when it is not root, and no moment may come in which others can read a key.
#[test]
fn files_have_their_modes_whoever_logs_in() {
    for shell in SHELLS {
        for key_mode in [0o600, 0o640] {
            let mut host = Host::new(shell).with_command();
            host.spec.key_mode = Some(key_mode);
            if is_root() {
                host.uid = Some(65534);
                host.spec.owner = Some("nobody".to_owned());
                host.spec.group = Some("nogroup".to_owned());
                std::os::unix::fs::chown(host.file(""), Some(65534), Some(65534)).unwrap();
            }
            host.install(&version(1), None, "one");
            for (file, wanted) in
                [("privkey.pem", key_mode), ("combined.pem", key_mode), ("fullchain.pem", 0o644)]
            {
                assert_eq!(mode(&host.live(file)), u32::from(wanted), "{shell:?}: {file}");
            }
            assert_eq!(mode(&host.live("")), 0o755, "{shell:?}");
        }
    }
}

/// What was seen a moment ago is taken for granted only while it is so.
#[test]
fn a_link_that_was_ours_a_moment_ago_is_looked_at_again() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let key = host.link("a.key", FilePart::Privkey);
        host.install(&version(1), None, "one");
        let activate = |host: &Host, n, before| {
            host.stage(&version(n), &format!("new {n}")).unwrap();
            let seen = AlreadyKnown { whole: true, linked: true, live: None };
            let ended = host.ask(&InstallSpec::activate(&version(n), Some(&version(before)), None, &seen));
            Activation::parse(&ended.output(), &host.services).map_err(|error| error.to_string())
        };
        assert_eq!(activate(&host, 2, 1), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(read(&key), "new 2 key\n");

        // It leads elsewhere, to something else.
        let elsewhere = host.file("elsewhere.key");
        fs::write(&elsewhere, "somebody's\n").unwrap();
        fs::remove_file(&key).unwrap();
        symlink(&elsewhere, &key).unwrap();
        let refused = activate(&host, 3, 2).unwrap_err();
        assert!(refused.contains("a.key"), "{refused}");
        assert_eq!((host.live_version(), read(&key)), (Some(version(2)), "somebody's\n".to_owned()));

        // Or it is gone, and made again.
        fs::remove_file(&key).unwrap();
        assert_eq!(activate(&host, 3, 2), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(read(&key), "new 3 key\n");

        // Another version is live than the one that was seen.
        assert_eq!(host.rollback(&version(2), false), Ok(Rollback::RolledBack));
        let refused = activate(&host, 4, 3).unwrap_err();
        assert!(refused.contains(version(2).as_str()), "{refused}");
        assert_eq!(host.live_version(), Some(version(2)));
    }
}

#[test]
fn the_archive_is_pruned() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.spec.keep = 2;
        for n in 1..=5 {
            host.stage(&version(n), "x").unwrap();
        }
        host.activate(&version(2), None).unwrap();
        let archive = host.directory().join("archive/a.test");
        fs::create_dir(archive.join(".20261101T200100Z-00000001.partial.77")).unwrap();
        fs::create_dir(archive.join("notes")).unwrap();
        // Live is an old one: it and the previous one stay, whatever their age.
        assert_eq!(host.commit(Some(&version(1))).pruned, [version(3), version(4), version(5)]);
        assert_eq!(host.inspect().complete, [version(1), version(2)]);
        let mut left: Vec<_> =
            fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".history", version(1).as_str(), version(2).as_str(), "notes"]);
        assert_eq!(host.commit(None).pruned, []);
    }
}

#[test]
fn a_command_that_starts_a_daemon_does_not_hold_the_step() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let pid = host.file("pid");
        host.command("true", &format!("sleep 1000 & echo $! >'{}'", quoted(&pid)));
        host.install(&version(1), None, "one");
        let first = read(&pid);
        host.install(&version(2), Some(&version(1)), "two");
        // Both still run.
        words("kill", &[first.trim(), read(&pid).trim()]);
    }
}

#[test]
fn a_step_whose_controller_is_lost_comes_to_its_end_and_the_next_one_waits_for_it() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let [begun, end, waits] = ["begun", "end", "waits"].map(|name| host.file(name));
        let test = format!(": >'{}'; until [ -e '{}' ]; do sleep 0.02; done", quoted(&begun), quoted(&end));
        host.command(&test, "true");
        host.stage(&version(2), "two").unwrap();
        let call =
            host.task(&InstallSpec::activate(&version(2), Some(&version(1)), None, &AlreadyKnown::default()));
        let mut lost = host.login_command(&call.script).spawn().unwrap();
        lost.stdin.as_mut().unwrap().write_all(&call.input).unwrap();
        assert!(wait_for(PATIENCE, || begun.exists()), "{shell:?}");
        drop((lost.stdin.take(), lost.stdout.take(), lost.stderr.take()));
        // The step is a process of its own below the shell that attends the host.
        let attends = lost.id().to_string();
        let step = read(Path::new(&format!("/proc/{attends}/task/{attends}/children")));
        assert_eq!(step.split_whitespace().count(), 1, "{shell:?}: {step}");
        words("kill", &["-HUP", &attends, step.trim()]);
        let log = host.file("reloads");
        // Without flock nothing can wait for it but this test.
        if shell == Shell::Busybox {
            fs::write(&end, "").unwrap();
            lost.wait().unwrap();
            assert_eq!(host.live_version(), Some(version(2)));
            assert_eq!(read(&log), "one certificate\ntwo certificate\n");
            continue;
        }
        host.services.pop();
        host.shim("flock", &format!("[ \"$*\" != 8 ] || : >'{}'\nexec \"$real\" \"$@\"", waits.display()));
        std::thread::scope(|scope| {
            let next = scope.spawn(|| host.rollback(&version(1), true));
            assert!(wait_for(PATIENCE, || waits.exists() || next.is_finished()), "{shell:?}");
            assert_eq!(host.live_version(), Some(version(2)), "{shell:?}");
            fs::write(&end, "").unwrap();
            assert_eq!(next.join().unwrap(), Ok(Rollback::RolledBack), "{shell:?}");
        });
        lost.wait().unwrap();
        assert_eq!(host.live_version(), Some(version(1)));
        assert_eq!(read(&log), "one certificate\ntwo certificate\none certificate\n", "{shell:?}");
    }
}

impl Host {
    /// Version 1 live and 2 staged, though the service refuses both.
    pub(crate) fn install_unchecked(&mut self) {
        self.stage(&version(1), &body("one", FilePart::Cert)).unwrap();
        self.stage(&version(2), "two").unwrap();
        let services = std::mem::take(&mut self.services);
        self.activate(&version(1), None).unwrap();
        self.services = services;
    }
}
