//! The status of the disk: all that `status` needs, and not one write.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use certwave::install::{FilePart, LinkState, Live, OnDisk};

use crate::support::{Host, SHELLS, body, is_root, version};

fn status(host: &Host) -> OnDisk {
    let ended = host.run(&host.spec.status(&[]));
    OnDisk::parse(&ended.output(), &host.spec, &[]).unwrap_or_else(|error| {
        panic!("{:?}: {error}\n{}", host.shell, ended.text());
    })
}

/// When everything was last written, folders as well: a file that comes and goes shows there.
fn written(host: &Host) -> BTreeMap<PathBuf, SystemTime> {
    let mut all = BTreeMap::new();
    let mut folders = vec![host.file("")];
    while let Some(folder) = folders.pop() {
        all.insert(folder.clone(), fs::metadata(&folder).unwrap().modified().unwrap());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let state = fs::symlink_metadata(&path).unwrap();
            all.insert(path.clone(), state.modified().unwrap());
            if state.is_dir() {
                folders.push(path);
            }
        }
    }
    all
}

#[test]
fn a_look_tells_what_is_there_and_writes_nothing() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let certificate = host.link("a.crt", FilePart::Fullchain);
        let empty = status(&host);
        assert_eq!((&empty.live, &empty.links[..]), (&Live::Missing, &[LinkState::Missing][..]), "{shell:?}");

        host.install(&version(1), None, "one");
        host.install(&version(2), Some(&version(1)), "two");
        let before = written(&host);
        let good = status(&host);
        assert_eq!(written(&host), before, "{shell:?}: something was written");
        assert_eq!((&good.live, good.damaged), (&Live::Version(version(2)), false), "{shell:?}");
        assert_eq!(good.links, [LinkState::Ours]);

        // Damaged, a path that leads elsewhere, and a step that has not ended: nobody waits for it.
        fs::write(host.live("chain.pem"), "").unwrap();
        fs::remove_file(&certificate).unwrap();
        fs::write(&certificate, body("other", FilePart::Fullchain)).unwrap();
        let step = fs::File::open(host.directory().join(".lock.step")).unwrap();
        step.lock().unwrap();
        let bad = status(&host);
        drop(step);
        assert!(bad.damaged, "{shell:?}");
        assert_eq!(bad.links, [LinkState::File]);

        fs::remove_file(host.spec.layout.live().as_str()).unwrap();
        fs::create_dir(host.spec.layout.live().as_str()).unwrap();
        assert_eq!(status(&host).live, Live::Foreign, "{shell:?}");
    }
}

/// As of a login that is neither root nor the owner.
#[test]
fn a_version_whose_manifest_may_not_be_read_is_not_said_to_be_damaged() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        fs::set_permissions(host.live(".manifest"), fs::Permissions::from_mode(0o000)).unwrap();
        host.uid = is_root().then_some(65534);
        let looked = status(&host);
        assert_eq!((looked.live, looked.damaged), (Live::Version(version(1)), false), "{shell:?}");
    }
}
