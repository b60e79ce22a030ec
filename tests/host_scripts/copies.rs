//! Files of their own beside the links, and what stood there before.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use certwave::install::{
    Activation, AlreadyKnown, FileCopy, FileName, FilePart, InstallError, InstallSpec, LinkState, Rollback,
    Staged,
};
use certwave::model::Secret;

use crate::killed::{arm, killed};
use crate::require;
use crate::snapshot::Snapshot;
use crate::support::{Host, SHELLS, Shell, body, files, mode, read, version, words};

impl Host {
    fn copy(&mut self, name: &str, file: FilePart) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        self.spec.copies.push(FileCopy {
            path: path.to_str().unwrap().parse().unwrap(),
            file: file.into(),
            owner: None,
            group: None,
            mode: None,
            password: None,
        });
        path
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What can be seen of a file: what it says or leads to, its mode, its owner, its time.
fn seen(path: &Path) -> Option<(String, u32, u32, i64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let text = fs::read_link(path).map_or_else(|_| read(path), |target| target.display().to_string());
    // busybox's `cp -a` gives a link a time of its own.
    let time = if metadata.is_symlink() { 0 } else { metadata.mtime() };
    Some((text, metadata.mode(), metadata.uid(), time))
}

#[test]
fn copies_are_switched_and_go_back_with_the_version() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let key = host.copy("app dir/it's.key", FilePart::Privkey);
        let chain = host.copy("app dir/chain.crt", FilePart::Fullchain);
        write(&key, "before key\n", 0o644);
        symlink("it's.key", host.file("app dir/other")).unwrap();
        let before = [&key, &chain].map(|path| seen(path));
        let facts = host.inspect();
        assert_eq!(facts.copies, [LinkState::File, LinkState::Missing], "{shell:?}");
        assert_eq!(facts.open_copies, [key.to_str().unwrap()], "{shell:?}");

        host.install(&version(2), None, "two");
        assert_eq!([read(&key), read(&chain)], ["two key\n", "two certificate\n"], "{shell:?}");
        assert!(!key.is_symlink() && !chain.is_symlink(), "{shell:?}");
        assert_eq!([mode(&key), mode(&chain)], [0o640, 0o644], "{shell:?}");
        let facts = host.inspect();
        assert!(facts.is_copied() && facts.open_copies.is_empty(), "{shell:?}");
        host.commit(None);

        host.install(&version(3), Some(&version(2)), "three");
        assert_eq!([read(&key), read(&chain)], ["three key\n", "three certificate\n"], "{shell:?}");
        let refused = {
            host.stage(&version(4), "bad").unwrap();
            host.activate(&version(4), Some(&version(3))).unwrap()
        };
        assert!(matches!(refused, Activation::Refused { swapped_back: true, .. }), "{shell:?}: {refused:?}");
        assert_eq!([read(&key), read(&chain)], ["three key\n", "three certificate\n"], "{shell:?}");
        assert_eq!(host.rollback(&version(2), true), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!([read(&key), read(&chain)], ["two key\n", "two certificate\n"], "{shell:?}");

        // The same way to the end: what was there before anything was installed.
        let mut empty = Host::new(shell).with_command();
        let other = empty.copy("app.key", FilePart::Privkey);
        empty.stage(&version(2), "bad").unwrap();
        let refused = empty.activate(&version(2), None).unwrap();
        assert!(matches!(refused, Activation::Refused { swapped_back: true, .. }), "{shell:?}");
        assert!(!other.exists() && empty.live_version().is_none(), "{shell:?}");
        assert_eq!(before[1], None);
    }
}

#[test]
fn without_links_the_copies_are_what_there_was_before() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let paths = [("a.key", FilePart::Privkey), ("a.crt", FilePart::Fullchain)]
            .map(|(name, part)| host.copy(name, part));
        write(&paths[0], "before key\n", 0o600);
        write(&paths[1], "before certificate\n", 0o604);
        let before = [seen(&paths[0]), seen(&paths[1])];
        host.install(&version(2), Some(&version(1)), "two");
        assert_eq!(host.inspect().complete, [version(1), version(2)], "{shell:?}");
        host.commit(Some(&version(1)));
        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!([seen(&paths[0]), seen(&paths[1])], before, "{shell:?}");
        assert_eq!(read(&host.live("privkey.pem")), "before key\n", "{shell:?}");
        let drafts = fs::read_dir(host.file(".")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(drafts.filter(|name| name.to_str().unwrap().starts_with(".certwave")).count(), 0);
    }
}

/// With its time and its extended attributes, as a link or as a file, though links lead to certwave meanwhile.
#[test]
fn what_stood_at_links_is_put_back_as_it_was() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let key = host.link("a.key", FilePart::Privkey);
        let chain = host.link("a.crt", FilePart::Fullchain);
        write(&key, "before key\n", 0o640);
        words("touch", &["-d", "2020-02-02 02:02:02", key.to_str().unwrap()]);
        let attribute = ["-n", "user.note", "-v", "kept", key.to_str().unwrap()];
        // busybox's `cp -a` does not keep them.
        let attributes = shell != Shell::Busybox && require::program("setfattr");
        if attributes {
            words("setfattr", &attribute);
        }
        write(&host.file("elsewhere.crt"), "before certificate\n", 0o644);
        symlink("elsewhere.crt", &chain).unwrap();
        let before = [seen(&key), seen(&chain)];

        host.install(&version(2), Some(&version(1)), "two");
        host.commit(Some(&version(1)));
        assert!(key.is_symlink(), "{shell:?}");
        host.rollback(&version(1), true).unwrap();
        assert_eq!([seen(&key), seen(&chain)], before, "{shell:?}");
        if attributes {
            let told = words("getfattr", &["--only-values", "-n", "user.note", key.to_str().unwrap()]);
            assert_eq!(told, "kept");
        }
        // And forward once more.
        host.install(&version(3), Some(&version(1)), "three");
        assert_eq!(read(&key), "three key\n", "{shell:?}");
        host.rollback(&version(1), true).unwrap();
        assert_eq!([seen(&key), seen(&chain)], before, "{shell:?}");
    }
}

#[test]
fn what_somebody_else_put_there_since_stays() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let (key, link) = (host.copy("a.key", FilePart::Privkey), host.link("b.crt", FilePart::Cert));
        host.install(&version(1), None, "one");
        host.commit(None);
        host.install(&version(2), Some(&version(1)), "two");
        write(&key, "somebody's\n", 0o600);
        fs::remove_file(&link).unwrap();
        write(&link, "somebody's\n", 0o600);
        assert_eq!(host.inspect().copies, [LinkState::File], "{shell:?}");
        host.rollback(&version(1), true).unwrap();
        assert_eq!([read(&key), read(&link)], ["somebody's\n", "somebody's\n"], "{shell:?}");
    }
}

#[test]
fn a_copy_belongs_to_whom_the_playbook_says() {
    if !require::root("to give files away") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let key = host.copy("a.key", FilePart::Privkey);
        write(&key, "before key\n", 0o600);
        let copy = &mut host.spec.copies[0];
        (copy.owner, copy.group, copy.mode) = (Some("nobody".into()), Some("daemon".into()), Some(0o440));
        host.install(&version(1), None, "one");
        let owned = |path: &Path| words("stat", &["-c", "%U:%G %a", path.to_str().unwrap()]);
        assert_eq!(owned(&key), "nobody:daemon 440", "{shell:?}");
        assert!(host.inspect().is_copied(), "{shell:?}");
        // Whatever the playbook changes of it, it is not as it should be.
        for (owner, group, mode) in
            [("root", "daemon", 0o440), ("nobody", "root", 0o440), ("nobody", "daemon", 0o400)]
        {
            let copy = &mut host.spec.copies[0];
            (copy.owner, copy.group, copy.mode) = (Some(owner.into()), Some(group.into()), Some(mode));
            assert!(!host.inspect().is_copied(), "{shell:?}: {owner}:{group} {mode:o}");
        }
        // The playbook says nothing any more: it stays whose it is.
        let copy = &mut host.spec.copies[0];
        (copy.owner, copy.group, copy.mode) = (None, None, None);
        host.install(&version(2), Some(&version(1)), "two");
        assert_eq!(
            (owned(&key).as_str(), read(&key).as_str()),
            ("nobody:daemon 440", "two key\n"),
            "{shell:?}"
        );

        host.spec.copies[0].owner = Some("nosuchuser".into());
        assert_eq!(host.problems(), ["user `nosuchuser` does not exist on the host"], "{shell:?}");
        host.stage(&version(3), "three").unwrap();
        let error = host.activate(&version(3), Some(&version(2))).unwrap_err();
        assert_eq!(error, InstallError::NoOwner { owner: "nosuchuser".into() }, "{shell:?}");
        assert_eq!((host.live_version(), read(&key)), (Some(version(2)), "two key\n".into()), "{shell:?}");
        host.spec.copies[0].owner = None;
        host.spec.copies[0].group = Some("nosuchgroup".into());
        assert_eq!(host.problems(), ["group `nosuchgroup` does not exist on the host"], "{shell:?}");
    }
}

#[test]
fn a_folder_is_no_file_and_a_missing_one_is_told() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let folder = host.copy("a", FilePart::Privkey);
        fs::create_dir(&folder).unwrap();
        assert_eq!(host.problems().len(), 1, "{shell:?}");
        host.stage(&version(1), "one").unwrap();
        let error = host.activate(&version(1), None).unwrap_err();
        assert!(matches!(error, InstallError::Occupied { .. }), "{shell:?}: {error}");
        fs::remove_dir(&folder).unwrap();
        host.spec.copies[0].path = format!("{}/none", folder.display()).parse().unwrap();
        assert_eq!(host.problems(), [format!("the folder of `{}/none` does not exist", folder.display())]);
        let error = host.activate(&version(1), None).unwrap_err();
        assert!(matches!(error, InstallError::NoFolder { .. }), "{shell:?}: {error}");
        assert_eq!(host.live_version(), None, "{shell:?}");
    }
}

/// A version that came here before the playbook wanted a file is completed.
#[test]
fn a_version_gets_the_formats_that_it_lacks() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.install(&version(1), None, "one");
        let both = host.copy("both.pem", FilePart::KeyFirst);
        let mut more = files("one");
        for part in [FilePart::KeyFirst, FilePart::Keystore] {
            more.push((FileName::from(part), Secret::new(body("one", part).into_bytes())));
        }
        let stage = || {
            let payload = host.payload_of(&version(1), &more);
            Staged::parse(&host.ask(&InstallSpec::stage(&version(1), &payload, &host.own())).output())
        };
        assert_eq!(stage(), Ok(Staged::New), "{shell:?}");
        assert_eq!(stage(), Ok(Staged::Already), "{shell:?}");
        assert_eq!(host.activate(&version(1), None), Ok(Activation::Activated), "{shell:?}");
        assert_eq!(read(&both), "one key\n", "{shell:?}");
        for name in ["key-first.pem", "keystore.p12"] {
            assert_eq!(mode(&host.live(name)), 0o600, "{shell:?}");
        }
        assert_eq!(host.inspect().complete, [version(1)], "{shell:?}");
    }
}

#[test]
fn a_key_that_comes_first_is_told() {
    let (certificate, key) = ("-----BEGIN CERTIFICATE-----\n", "-----BEGIN EC PRIVATE KEY-----\n");
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let both = host.link("a.pem", FilePart::Combined);
        assert!(!host.inspect().key_first, "{shell:?}: nothing is there");
        let parameters = "-----BEGIN EC PARAMETERS-----\n";
        for (text, first) in [
            ([parameters, key, certificate].concat(), true),
            ([certificate, key].concat(), false),
            (String::new(), false),
        ] {
            fs::write(&both, text).unwrap();
            assert_eq!(host.inspect().key_first, first, "{shell:?}");
        }
    }
}

#[test]
fn a_dead_man_switch_puts_copies_and_files_back() {
    for shell in Shell::that_follow_path() {
        let mut host = crate::dead_man::host(shell);
        let key = host.copy("a.key", FilePart::Privkey);
        write(&key, "before key\n", 0o640);
        let before = seen(&key);
        assert_eq!(
            host.fire(1, |host| assert_eq!(read(&host.file("a.key")), "two key\n")),
            None,
            "{shell:?}"
        );
        assert_eq!(seen(&key), before, "{shell:?}");
    }
}

/// The next rollout finds what one left that was killed at the switch: that is not what stood there before.
#[test]
fn what_a_killed_rollout_put_there_is_not_kept_in_place_of_what_stood_there() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.commit(None);
        let key = host.copy("a.key", FilePart::Privkey);
        write(&key, "somebody's\n", 0o600);
        host.stage(&version(2), "two").unwrap();
        host.activate(&version(2), Some(&version(1))).unwrap();
        assert_eq!(read(&key), "two key\n", "{shell:?}");
        // Its controller is gone. Another version comes, and goes back to what was verified last.
        host.stage(&version(3), "three").unwrap();
        let seen = AlreadyKnown { live: Some(version(2)), ..AlreadyKnown::default() };
        let task = InstallSpec::activate(&version(3), Some(&version(1)), None, &seen);
        let done = Activation::parse(&host.ask(&task).output(), &host.services);
        assert_eq!((done, read(&key).as_str()), (Ok(Activation::Activated), "three key\n"), "{shell:?}");
        host.rollback(&version(1), true).unwrap();
        assert_eq!(
            (host.live_version(), read(&key).as_str()),
            (Some(version(1)), "somebody's\n"),
            "{shell:?}"
        );
    }
}

/// Ended also where the test fails.
pub(crate) struct Attacker(pub(crate) std::process::Child);

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder of a copy is an application's, which leads certwave's names elsewhere as fast as it can.
#[test]
fn an_application_leads_no_file_of_roots_elsewhere() {
    if !require::root("to be attacked by another user") || !require::program("perl") {
        return;
    }
    let attack = r#"
        $| = 1;
        my ($folder, $target) = @ARGV;
        my @names = map { "$folder/$_" } ('.certwave~a.key', '.certwave~a.key/file', 'file');
        print "\n";
        while (1) {
            symlink($target, $_) for @names;
            rename($names[0], "$folder/stolen");
        }
    "#;
    let mut host = Host::new(Shell::Dash);
    let key = host.copy("app/a.key", FilePart::Privkey);
    write(&key, "before key\n", 0o600);
    for path in [key.as_path(), key.parent().unwrap()] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    host.spec.copies[0].owner = Some("65534".to_owned());
    host.install(&version(1), None, "one");
    let treasure = host.file("treasure");
    write(&treasure, "root's\n", 0o600);
    let mut attacker = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "perl", "-e", attack])
        .args([key.parent().unwrap(), &treasure])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map(Attacker)
        .unwrap();
    std::io::Read::read_exact(attacker.0.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    for number in 2..14 {
        host.stage(&version(number), "next").unwrap();
        // It may well prevent its own copy.
        let _ = host.activate(&version(number), Some(&version(1)));
        let _ = host.rollback(&version(1), true);
        assert_eq!((read(&treasure).as_str(), mode(&treasure)), ("root's\n", 0o600), "{number}");
        assert_eq!(fs::metadata(&treasure).unwrap().uid(), 0, "{number}");
    }
}

/// Whatever a killed step left, going back puts everything where it was, and going forward switches everything.
#[test]
fn killed_anywhere() {
    let mut host = Host::new(Shell::Dash).with_command();
    arm(&mut host);
    let (key, chain) =
        (host.copy("app/a.key", FilePart::Privkey), host.copy("app/a.crt", FilePart::Fullchain));
    let link = host.file("app/b.crt");
    host.spec.links.push((link.to_str().unwrap().parse().unwrap(), FilePart::Fullchain.into()));
    write(&key, "before key\n", 0o640);
    write(&link, "before certificate\n", 0o644);
    let all = [&key, &chain, &link];
    let look = || all.map(|path| seen(path));
    host.stage(&version(2), "two").unwrap();
    let before = look();
    let start = Snapshot::of(vec![host.directory(), host.file("app")]);
    let before_restored = |context: &str| {
        let now = look();
        // The snapshot's copies have their own times.
        let plain =
            |seen: &Option<(String, u32, u32, i64)>| seen.clone().map(|(text, mode, ..)| (text, mode));
        assert_eq!(
            now.iter().map(plain).collect::<Vec<_>>(),
            before.iter().map(plain).collect::<Vec<_>>(),
            "{context}"
        );
    };
    let forward = |context: &str| {
        assert_eq!(host.activate(&version(2), Some(&version(1))), Ok(Activation::Activated), "{context}");
        assert_eq!(
            all.map(|path| read(path)),
            ["two key\n", "two certificate\n", "two certificate\n"],
            "{context}"
        );
    };
    let back = |context: &str| {
        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{context}");
        before_restored(context);
    };
    let activate =
        host.task(&InstallSpec::activate(&version(2), Some(&version(1)), None, &AlreadyKnown::default()));
    let roll_back = host.task(&InstallSpec::rollback(&version(1), true));
    for (call, begun) in [(activate, false), (roll_back, true)] {
        let mut n = 0;
        loop {
            n += 1;
            let mut was_killed = true;
            for way in ["forward", "back"] {
                start.restore();
                if begun {
                    forward("at first");
                }
                was_killed = killed(&host, n, &call);
                let context = format!("killed before command {n}, then {way}");
                // Before it is kept, there is nothing to go back to, and nothing was switched.
                if way == "forward" || host.live_version().is_none() {
                    forward(&context);
                }
                back(&context);
            }
            if !was_killed {
                break;
            }
            assert!(n < 200, "the script never came to its end");
        }
        assert!(n > 5, "nothing was killed");
    }
}
