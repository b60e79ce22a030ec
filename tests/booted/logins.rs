//! What ends with a login, on hosts that end everything which a login started (`KillUserProcesses=yes`).

use certwave::lab::wait_for;

use crate::dead_man::{SUITES, goes_back};
use crate::fleet::{Fleet, Login};
use crate::host::PATIENCE;

/// The units that keep a switch alive.
const UNITS: &str = "systemctl list-units --plain --no-legend 'certwave-dead-man-*'";

#[test]
#[ignore = "boots hosts"]
fn a_name_of_200_characters_does_not_bring_the_switch_into_the_session() {
    let mut fleet = Fleet::boot(&SUITES, Login::Sudo);
    fleet.name = format!("a{}", ".bcdefghi".repeat(22)) + "x";
    assert_eq!(fleet.name.len(), 200);
    let first = fleet.roll_out().expect(0).leaf();
    let rollout = fleet.roll_out_unproven("15s");
    for host in &fleet.hosts {
        let units = host.run(UNITS);
        assert!(units.contains("certwave-dead-man-a.bcdefghi"), "{}: {units}", host.name);
    }
    rollout.kill();
    goes_back(&fleet, &first);
}

#[test]
#[ignore = "boots hosts"]
fn an_ordinary_user_who_lingers_has_a_switch_that_outlives_the_login() {
    let mut fleet = Fleet::boot(&SUITES, Login::Plain);
    let first = fleet.roll_out().expect(0).leaf();
    // Without, a plan names the risk.
    fleet.renew();
    let plan = fleet.run(&["plan", "playbook.yaml"]).expect(0);
    assert!(plan.stdout.contains("loginctl enable-linger"), "{}", plan.stdout);
    for host in &fleet.hosts {
        // Not from here: logind asks whose session that would be.
        host.run("systemd-run --quiet --wait --collect loginctl enable-linger plain");
        let lingers = || host.output("systemctl is-active --quiet user@$(id -u plain)").status.success();
        assert!(wait_for(PATIENCE, lingers), "{}", host.name);
    }
    let plan = fleet.run(&["plan", "playbook.yaml"]).expect(0);
    assert!(!plan.stdout.contains("enable-linger"), "{}", plan.stdout);
    fleet.roll_out_unproven("15s").kill();
    goes_back(&fleet, &first);
}
