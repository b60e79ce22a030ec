//! A login that may open nothing: everything is done through `sudo`, HAProxy's socket is reached by a relay.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::require;
use crate::services::haproxy::{haproxy, reload};
use crate::services::others::start;
use crate::support::Fleet;

#[test]
fn a_socket_that_the_login_may_not_open_is_reached_through_sudo() {
    // In a mount namespace of its own, sshd's users and sudo's rules can be others.
    if !require::root("to give a host users and rules of its own")
        || !require::mounts()
        || !require::program("sudo")
    {
        return;
    }
    let mut fleet = Fleet::mixed(1, 1, 0);
    let folder = fleet.lab.directory().to_owned();
    // sshd reads the keys of a user as that user.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let (passwd, sudoers) = (folder.join("passwd"), folder.join("sudoers"));
    let users = fs::read_to_string("/etc/passwd").unwrap();
    fs::write(&passwd, format!("{users}deploy:*:4242:65534::/:/bin/sh\n")).unwrap();
    fs::write(&sudoers, "deploy ALL=(root) NOPASSWD: ALL\n").unwrap();
    fs::set_permissions(&sudoers, Permissions::from_mode(0o440)).unwrap();

    let front = &mut fleet.lab.fronts[0];
    let (sshd, address) = (front.root.join("sshd"), front.sshd.address);
    front.sshd.process.stop();
    let config = sshd.join("sshd_config");
    let text = fs::read_to_string(&config).unwrap();
    // The account is known to no PAM but by its line in passwd.
    fs::write(&config, format!("UsePAM no\n{text}")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg("mount --bind \"$1\" /etc/passwd && mount --bind \"$2\" /etc/sudoers && exec /usr/sbin/sshd -D -e -f \"$3\"");
    command.arg("sh").args([&passwd, &sudoers, &config]);
    let _sshd = start("sshd", command, &sshd, &[address]);
    let socket = fs::metadata(&haproxy(&fleet).socket).unwrap();
    assert_eq!((socket.uid(), socket.mode() & 0o077), (0, 0), "the login may open it");

    fleet.edit_inventory("lb01: {", "lb01: {ansible_user: deploy, ansible_become: true, ");
    let run = fleet.roll_out(&[]).expect(0);
    let wanted = run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
    assert_eq!(fleet.front_served(0), wanted);
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served(0), wanted);

    // And where sudo says no, that is told before anything is changed.
    fs::set_permissions(&sudoers, Permissions::from_mode(0o640)).unwrap();
    fs::write(&sudoers, "").unwrap();
    fs::set_permissions(&sudoers, Permissions::from_mode(0o440)).unwrap();
    let run = fleet.roll_out(&["--force", "--limit", "lb"]);
    assert_ne!(run.code, 0);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("sudo"), "{reason}");
    assert_eq!(fleet.front_served(0), wanted);
}
