//! Nobody comes back to confirm a version: the host goes back by itself, whatever else happens to it.

use certwave::lab::wait_for;

use crate::fleet::{Fleet, Login};
use crate::host::PATIENCE;

pub(crate) const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// Every host goes back, and says so in its log.
pub(crate) fn goes_back(fleet: &Fleet, leaf: &str) {
    assert!(wait_for(PATIENCE, || fleet.all_serve(leaf)));
    for host in &fleet.hosts {
        assert!(wait_for(PATIENCE, || host.log().contains("was put back")), "{}: {}", host.name, host.log());
    }
}

fn with_the_controller_killed(login: Login) {
    let mut fleet = Fleet::boot(&SUITES, login);
    let first = fleet.roll_out().expect(0).leaf();
    let rollout = fleet.roll_out_unproven("15s");
    assert!(!fleet.all_serve(&first));
    rollout.kill();
    goes_back(&fleet, &first);
}

#[test]
#[ignore = "boots hosts"]
fn with_the_controller_killed_and_its_root_login_ended() {
    with_the_controller_killed(Login::Root);
}

/// systemd ends what the login started (`KillUserProcesses=yes`).
#[test]
#[ignore = "boots hosts"]
fn with_the_controller_killed_and_its_sudo_login_ended() {
    with_the_controller_killed(Login::Sudo);
}

#[test]
#[ignore = "boots hosts"]
fn with_sshd_stopped() {
    let mut fleet = Fleet::boot(&SUITES, Login::Root);
    let first = fleet.roll_out().expect(0).leaf();
    let rollout = fleet.roll_out_unproven("15s");
    for host in &fleet.hosts {
        host.run("systemctl stop ssh.service");
    }
    rollout.kill();
    goes_back(&fleet, &first);
}
