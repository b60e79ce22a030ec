//! Whose installed files are: a server that could read its key before can read the next one, also at its next start.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use crate::support::Fleet;

/// What the lab says in its playbook about owners.
fn said(fleet: &Fleet) -> String {
    let playbook = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    let from = playbook.find("  owner:").unwrap();
    let to = from + playbook[from..].find("  links:").unwrap();
    playbook[from..to].to_owned()
}

fn key(fleet: &Fleet, host: &str) -> PathBuf {
    fleet.lab.directory().join(format!("hosts/{host}/etc/ssl/api.key"))
}

fn combined(fleet: &Fleet) -> PathBuf {
    fleet.lab.directory().join("hosts/lb01/etc/ssl/api.pem")
}

/// Mode and group of what a path leads to.
fn of(path: &PathBuf) -> (u32, u32) {
    let metadata = std::fs::metadata(path).unwrap();
    (metadata.permissions().mode() & 0o777, metadata.gid())
}

fn set(path: &PathBuf, mode: u32, group: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(path, None, Some(group)).unwrap();
    }
}

#[test]
fn new_files_are_as_those_they_replace_until_the_playbook_says_otherwise() {
    let fleet = Fleet::mixed(1, 1, 0);
    let group = if nix::unistd::geteuid().is_root() { 65534 } else { of(&key(&fleet, "web01")).1 };
    fleet.edit(&said(&fleet), "");
    set(&key(&fleet, "web01"), 0o644, group);
    set(&key(&fleet, "lb01"), 0o640, group);
    set(&combined(&fleet), 0o640, group);
    let run = fleet.roll_out(&[]).expect(0);
    // Nobody else may read a key, and it is said that everybody could.
    assert_eq!(of(&key(&fleet, "web01")), (0o640, group));
    let risks = run.last()["hosts"][0]["risks"].to_string();
    assert!(risks.contains("\"key_open\""), "{risks}");
    assert_eq!((of(&key(&fleet, "lb01")), of(&combined(&fleet))), ((0o640, group), (0o640, group)));
    fleet.roll_out(&["--force"]).expect(0);
    assert_eq!((of(&key(&fleet, "web01")), of(&combined(&fleet))), ((0o640, group), (0o640, group)));

    // The version that is there already is brought in line, and then there is nothing to do.
    let before = fleet.served(0);
    fleet.edit("  links:", "  mode: \"0600\"\n  links:");
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    assert_eq!((of(&key(&fleet, "web01")), of(&combined(&fleet))), ((0o600, group), (0o600, group)));
    assert_eq!(fleet.served(0), before);
    assert_eq!(fleet.roll_out(&[]).expect(0).last()["outcome"], "unchanged");
}

#[test]
fn two_keys_that_differ_are_named_and_nothing_is_changed() {
    let fleet = Fleet::mixed(1, 1, 0);
    fleet.edit(&said(&fleet), "");
    set(&key(&fleet, "lb01"), 0o600, 0);
    set(&combined(&fleet), 0o640, 0);
    let before = fleet.front_served(0);
    let run = fleet.roll_out(&[]).expect(3);
    let reason = run.error(1);
    assert!(reason.contains("api.key` is") && reason.contains("api.pem` is"), "{reason}");
    assert_eq!(fleet.front_served(0), before);
    assert_eq!(of(&combined(&fleet)).0, 0o640);
}
