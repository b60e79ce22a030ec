//! A host that goes down between its switch and its proof.

use certwave::lab::wait_for;

use crate::dead_man::SUITES;
use crate::fleet::{Fleet, Login};
use crate::host::{Host, PATIENCE};

/// Longer than the test: only a boot puts something back.
const NEVER: &str = "1h";

/// When a unit's process began or ended, by the host's clock since its boot.
fn moment(host: &Host, unit: &str, property: &str) -> u64 {
    let value =
        || host.run(&format!("systemctl show --value -p {property} {unit}")).trim().parse().unwrap_or(0);
    assert!(wait_for(PATIENCE, || value() > 0), "{}: {unit} has no {property}", host.name);
    value()
}

/// Hosts that were switched and went down so; they come up on the certificate before, and never show another one.
fn come_up_on_the_certificate_before(login: Login, goes_down: fn(&mut Host)) {
    let mut fleet = Fleet::boot(&SUITES, login);
    let first = fleet.roll_out().expect(0).leaf();
    let rollout = fleet.roll_out_unproven(NEVER);
    assert!(!fleet.all_serve(&first));
    rollout.kill();
    for host in &mut fleet.hosts {
        goes_down(host);
    }
    assert!(wait_for(PATIENCE, || fleet.all_serve(&first)), "{login:?}");
    for host in &fleet.hosts {
        assert!(host.log().contains("was put back (at boot, before servers start)"), "{}", host.log());
        let back = moment(host, "certwave-dead-man.service", "ExecMainExitTimestampMonotonic");
        for server in ["nginx", "haproxy", "apache2", "plain-nginx", "ssh"] {
            let began = moment(host, &format!("{server}.service"), "ExecMainStartTimestampMonotonic");
            assert!(back < began, "{}: {server} began at {began}, and it was put back at {back}", host.name);
        }
        assert_eq!(host.run("ls -A /var/lib/certwave/armed"), "", "{}", host.name);
    }
    // The next rollout takes the hosts as they are, and a boot leaves it alone.
    fleet.settle();
    let second = fleet.roll_out().expect(0).leaf();
    for host in &mut fleet.hosts {
        host.reboot();
    }
    assert!(wait_for(PATIENCE, || fleet.all_serve(&second)), "{login:?}");
}

#[test]
#[ignore = "boots hosts"]
fn a_rebooted_host_comes_up_on_the_certificate_before() {
    come_up_on_the_certificate_before(Login::Sudo, |host| {
        host.reboot();
    });
}

#[test]
#[ignore = "boots hosts"]
fn a_host_whose_power_was_cut_comes_up_on_the_certificate_before() {
    come_up_on_the_certificate_before(Login::Root, |host| {
        host.cut_power();
        host.boot();
    });
}

#[test]
#[ignore = "boots hosts"]
fn without_the_boot_unit_nobody_puts_it_back_and_everybody_says_so() {
    let mut fleet = Fleet::boot(&SUITES, Login::Root);
    fleet.install.push_str("  boot_unit: off\n");
    let first = fleet.roll_out().expect(0).leaf();
    fleet.renew();
    let plan = fleet.run(&["plan", "playbook.yaml"]).expect(0);
    assert!(plan.stdout.contains("would end at a reboot"), "{}", plan.stdout);
    fleet.roll_out_unproven(NEVER).kill();
    let status = fleet.run(&["status", "playbook.yaml"]);
    assert!(status.stdout.contains("by itself"), "{}", status.stdout);
    for host in &mut fleet.hosts {
        host.reboot();
        assert!(!host.path("/etc/systemd/system/certwave-dead-man.service").exists());
    }
    assert!(!fleet.all_serve(&first));
    let status = fleet.run(&["status", "playbook.yaml"]);
    assert!(
        status.stdout.contains("nobody puts") && status.stdout.contains("certwave resume"),
        "{}",
        status.stdout
    );
    let plan = fleet.run(&["plan", "playbook.yaml"]).expect(0);
    assert!(plan.stdout.contains("nobody puts the previous certificate back"), "{}", plan.stdout);
    fleet.settle();
    let leaf = fleet.roll_out().expect(0).leaf();
    assert!(fleet.all_serve(&leaf));
}

/// The controller does not call for a person before the host had the time to go back.
#[test]
#[ignore = "boots hosts"]
fn a_controller_that_lives_waits_for_its_rebooted_hosts_and_finds_them_back() {
    let mut fleet = Fleet::boot(&SUITES, Login::Sudo);
    let first = fleet.roll_out().expect(0).leaf();
    let mut rollout = fleet.roll_out_slowly("5m", 300);
    // Down for longer than a few tries take.
    for host in &mut fleet.hosts {
        host.cut_power();
    }
    for _ in 0..8 {
        let awaited = rollout.until_event("host.awaited");
        assert!(awaited["returns"].is_string(), "{awaited}");
    }
    for host in &mut fleet.hosts {
        host.boot();
    }
    let run = rollout.end().expect(3);
    assert!(run.stdout.contains("\"outcome\":\"rolled_back\""), "{}", run.stdout);
    assert!(fleet.all_serve(&first));
}
