//! Folders of other users, who plant links, pipes and folders at every name that scripts of root's use there.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use certwave::install::{Activation, FilePart, InstallError, InstallSpec, Rollback};

use crate::copies::Attacker;
use crate::planted_app::{App, OTHER, Plant, can_attack};
use crate::require;
use crate::support::{SHELLS, Shell, each_shell, mode, read, version};

/// Every name is found by what scripts do where nobody attacks.
fn plant_everywhere(shell: Shell) {
    if !can_attack() {
        return;
    }
    let names = App::new(shell).names();
    let expected =
        ["a.key", "a.crt", "b.key", "list.txt", "sds.yaml", ".certwave~a.key", ".certwave~sds.yaml"];
    for name in expected {
        assert!(names.contains(name), "{shell:?}: {names:?}");
    }
    // What the application's own files are is its own to say, too.
    let given = ["a.key", "a.crt", "b.key", "list.txt"];
    let drafts: BTreeSet<_> = names.iter().filter(|name| !given.contains(&name.as_str())).cloned().collect();
    let plants = [Plant::LinkToFile, Plant::LinkToFolder, Plant::LinkToNothing, Plant::Pipe, Plant::Folder];
    for plant in plants {
        for planted in [&drafts, &names] {
            let app = App::new(shell);
            app.plant(planted, plant);
            let context = format!("{shell:?}, {plant:?}, {} names", planted.len());
            app.each_step(|step, ended, trace| {
                app.assert_untouched(&format!("{context}, {step}: {}", ended.text()));
                // A descriptor, or a folder that was entered.
                let followed = trace.lines().find(|line| {
                    line.contains("/treasury") && line.contains("treasury>") || line.contains("/secret>")
                });
                assert_eq!(followed, None, "{context}, {step}");
            });
        }
    }
}

each_shell! {
    root_follows_no_name_of_an_applications: plant_everywhere;
}

/// Without any attack, all of it works.
#[test]
fn in_a_folder_of_an_applications_links_and_copies_go_there_and_back() {
    if !can_attack() {
        return;
    }
    for shell in SHELLS {
        let app = App::new(shell);
        let (host, folder) = (&app.host, &app.folder);
        host.install(&version(2), Some(&version(1)), "two");
        assert_eq!(fs::read_link(folder.join("a.key")).unwrap(), host.live("privkey.pem"), "{shell:?}");
        assert_eq!(read(&folder.join("b.key")), "two key\n", "{shell:?}");
        assert_eq!(fs::metadata(folder.join("b.key")).unwrap().uid(), OTHER, "{shell:?}");
        assert_eq!(read(&folder.join("list.txt")), format!("{}/a.crt\n", folder.display()), "{shell:?}");
        assert_eq!((mode(&folder.join("sds.yaml")), host.inspect().is_linked()), (0o644, true), "{shell:?}");
        assert_eq!(host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!(read(&folder.join("a.key")), "one key\n", "{shell:?}");
        assert_eq!(fs::symlink_metadata(folder.join("a.key")).unwrap().uid(), OTHER, "{shell:?}");
    }
}

/// An application that leads its folder elsewhere leads nobody but itself.
#[test]
fn a_folder_that_leads_into_roots_is_not_entered() {
    if !can_attack() {
        return;
    }
    for shell in SHELLS {
        let mut app = App::new(shell);
        app.host.services.clear();
        app.host.spec.copies.clear();
        app.host.spec.links.clear();
        app.host.link("app/tls/a.crt", FilePart::Fullchain);
        let tls = app.folder.join("tls");
        symlink(app.treasury(), &tls).unwrap();
        lchown(&tls, Some(OTHER), Some(OTHER)).unwrap();
        let told = format!(
            "`{}` cannot be written to: other users can change where its path leads, at {}: it belongs to user {OTHER}; give that to root, and let nobody else write to it",
            tls.display(),
            app.folder.display()
        );
        assert_eq!(app.host.problems(), std::slice::from_ref(&told), "{shell:?}");
        let (ended, _) =
            app.traced_command(app.host.login_command(&app.host.spec.survey(&app.host.services)), b"");
        assert!(ended.text().contains("certwave:unwritable"), "{shell:?}: {}", ended.text());
        app.host.stage(&version(2), "two").unwrap();
        let refused = app.host.activate(&version(2), None).unwrap_err();
        assert_eq!(refused.to_string(), told, "{shell:?}");
        app.assert_untouched(&format!("{shell:?}"));
        // Its own folder is another matter.
        fs::remove_file(&tls).unwrap();
        fs::create_dir(app.folder.join("other")).unwrap();
        chown(app.folder.join("other"), Some(OTHER), Some(OTHER)).unwrap();
        symlink("other", &tls).unwrap();
        lchown(&tls, Some(OTHER), Some(OTHER)).unwrap();
        assert_eq!(app.host.activate(&version(2), None), Ok(Activation::Activated), "{shell:?}");
        assert!(app.folder.join("other/a.crt").is_symlink(), "{shell:?}");
    }
}

/// Its user's rights decide what a link of an application's leads to.
#[test]
fn a_link_of_an_applications_is_read_as_its_user() {
    if !can_attack() {
        return;
    }
    for shell in SHELLS {
        let mut app = App::new(shell);
        app.host.spec.copies.clear();
        app.host.services.clear();
        let key = app.folder.join("a.key");
        let lead = |to: &Path, owner: u32| {
            fs::remove_file(&key).unwrap();
            symlink(to, &key).unwrap();
            lchown(&key, Some(owner), Some(owner)).unwrap();
        };
        app.host.stage(&version(2), "two").unwrap();
        let activate = || app.host.activate(&version(2), Some(&version(1)));
        lead(&app.treasure(), OTHER);
        let refused = activate().unwrap_err();
        assert!(matches!(refused, InstallError::Unadoptable { .. }), "{shell:?}: {refused}");
        app.assert_untouched(&format!("{shell:?}"));
        // As root's own link it may be followed: nobody else can have made it.
        app.write("deep.key", "one key\n");
        if shell != Shell::Busybox {
            lead(Path::new("deep.key"), OTHER);
            assert_eq!(activate(), Ok(Activation::Activated), "{shell:?}");
            assert_eq!(app.host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
            let kept = app.host.spec.layout.version(&version(1)).join("privkey.pem");
            assert_eq!(read(kept.as_str().as_ref()), "one key\n", "{shell:?}");
        }
        let mut other = App::new(shell);
        other.host.spec.copies.clear();
        other.host.services.clear();
        let (key, mine) = (other.folder.join("a.key"), other.host.file("mine.key"));
        fs::write(&mine, "one key\n").unwrap();
        fs::set_permissions(&mine, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&key).unwrap();
        symlink(&mine, &key).unwrap();
        other.host.stage(&version(2), "two").unwrap();
        assert_eq!(
            other.host.activate(&version(2), Some(&version(1))),
            Ok(Activation::Activated),
            "{shell:?}"
        );
    }
}

/// A folder of root's that a group may write to is an ordinary one, and so is a key in it that root alone may read.
#[test]
fn a_folder_that_a_group_may_write_to_is_used() {
    if !can_attack() {
        return;
    }
    for shell in SHELLS {
        let app = App::new(shell);
        chown(&app.folder, Some(0), Some(OTHER)).unwrap();
        fs::set_permissions(&app.folder, fs::Permissions::from_mode(0o2775)).unwrap();
        let key = app.folder.join("a.key");
        chown(&key, Some(0), Some(0)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        app.host.install(&version(2), Some(&version(1)), "two");
        assert!(key.is_symlink(), "{shell:?}");
        assert_eq!(app.host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
        assert_eq!((read(&key), mode(&key)), ("one key\n".to_owned(), 0o600), "{shell:?}");
        let left = fs::read_dir(&app.folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.filter(|name| name.to_str().unwrap().starts_with(".certwave")).count(), 0);
    }
}

/// A file of root's, or of anybody's, under a name of an application's.
#[test]
fn a_file_that_has_other_names_is_not_kept() {
    if !can_attack() {
        return;
    }
    for shell in SHELLS {
        let mut app = App::new(shell);
        app.host.spec.copies.clear();
        app.host.services.clear();
        let key = app.folder.join("a.key");
        fs::remove_file(&key).unwrap();
        fs::hard_link(app.treasure(), &key).unwrap();
        app.host.stage(&version(2), "two").unwrap();
        let refused = app.host.activate(&version(2), Some(&version(1))).unwrap_err().to_string();
        assert!(refused.contains("it has other names (hard links)"), "{shell:?}: {refused}");
        fs::remove_file(&key).unwrap();
        app.assert_untouched(&format!("{shell:?}"));
    }
}

/// It swaps folders for links, files for pipes, and takes drafts away, as fast as it can, while root works there.
#[test]
fn an_application_that_races_gains_nothing() {
    if !can_attack() || !require::program("perl") {
        return;
    }
    let attack = r#"
        $| = 1;
        use POSIX;
        my ($app, $treasury) = @ARGV;
        my @names = ('a.key', 'a.crt', 'b.key', 'list.txt', 'sds.yaml');
        print "\n";
        while (1) {
            rename("$app/tls", "$app/was");
            symlink($treasury, "$app/tls");
            select(undef, undef, undef, rand(0.01));
            unlink("$app/tls");
            rename("$app/was", "$app/tls");
            for my $name (@names) {
                my $turn = int(rand(5));
                if ($turn == 0) { unlink("$app/tls/$name"); symlink("$treasury/secret", "$app/tls/$name"); }
                if ($turn == 1) { unlink("$app/tls/$name"); POSIX::mkfifo("$app/tls/$name", 0666); }
                if ($turn == 2) { unlink("$app/tls/$name"); open(my $f, '>', "$app/tls/$name"); print $f "x\n"; }
                if ($turn == 3) { rename("$app/tls/.certwave~$name", "$app/tls/stolen." . int(rand(9))); }
                if ($turn == 4) { symlink("$treasury", "$app/tls/.certwave~$name"); }
            }
            rmdir($_), unlink($_) for glob("$app/tls/stolen.*");
        }
    "#;
    for shell in SHELLS {
        let mut app = App::new(shell);
        let tls = app.folder.join("tls");
        fs::create_dir(&tls).unwrap();
        chown(&tls, Some(OTHER), Some(OTHER)).unwrap();
        let moved = |path: &str| path.replace("/app/", "/app/tls/").parse().unwrap();
        for (path, _) in &mut app.host.spec.links {
            *path = moved(path.as_str());
        }
        app.host.spec.copies[0].path = moved(app.host.spec.copies[0].path.as_str());
        for service in &mut app.host.services {
            for (_, value) in &mut service.settings {
                *value = value.replace("/app/", "/app/tls/");
            }
        }
        let mut attacker = Command::new("setpriv")
            .args([&format!("--reuid={OTHER}"), &format!("--regid={OTHER}"), "--clear-groups"])
            .args(["perl", "-e", attack])
            .args([&app.folder, &app.treasury()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Attacker)
            .unwrap();
        attacker.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        for number in 2..10 {
            let _ = app.host.ask(&InstallSpec::inspect());
            app.host.stage(&version(number), "next").unwrap();
            // It may well prevent its own rollout.
            let _ = app.host.activate(&version(number), Some(&version(1)));
            let _ = app.host.rollback(&version(1), true);
            app.assert_untouched_while(&format!("{shell:?}, {number}"));
        }
    }
}
