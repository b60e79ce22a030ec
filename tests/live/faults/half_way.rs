//! A controller is killed while a host is half-way, and somebody asks for something else than to resume: every command finds
//! its way from every such state, and never back to a version that no host was verified on.

use crate::running::Running;
use crate::support::{Fleet, Run};

fn leaf(run: &Run) -> String {
    run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned()
}

fn version(run: &Run) -> String {
    run.last()["certificate"]["version"].as_str().unwrap().to_owned()
}

/// Every host serves one of these.
fn serves(fleet: &Fleet, wanted: &[&String], context: &str) {
    let served = [fleet.served(0), fleet.front_served(0), fleet.front_served(1)];
    assert!(served.iter().all(|one| wanted.contains(&one)), "{context}: {served:?}, not {wanted:?}");
    assert!(served.iter().all(|one| *one == served[0]), "{context}: {served:?}");
}

fn from_a_controller_that_was_killed_at(host: &str, step: &str) {
    let fleet = Fleet::mixed(1, 1, 1);
    fleet.edit("soak: 1s", "soak: 0s");
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    let oldest = fleet.roll_out(&[]).expect(0);
    let mut known = (leaf(&oldest), leaf(&oldest), version(&oldest));
    for command in ["resume", "rollback", "to-the-version-before", "to-a-third", "abort", "the-same"] {
        let context = format!("{command} after a kill at {step} of {host}");
        let good = fleet.roll_out(&["--force"]).expect(0);
        known = (known.1, leaf(&good), version(&good));
        let (before, last, of_last) = (&known.0, &known.1, known.2.as_str());
        let mut rollout = Running::rollout(&fleet);
        rollout.until_step(host, step);
        rollout.kill();
        let json = |args: &[&str]| fleet.run(&[&["--output", "json"], args].concat());
        match command {
            "resume" => {
                let run = json(&["resume"]).expect(0);
                serves(&fleet, &[&leaf(&run)], &context);
                known.1 = leaf(&run);
            }
            "the-same" => {
                let run = fleet.roll_out(&[]).expect(0);
                serves(&fleet, &[&leaf(&run)], &context);
            }
            "to-a-third" => {
                let run = fleet.roll_out(&["--force"]).expect(0);
                serves(&fleet, &[&leaf(&run)], &context);
                known.1 = leaf(&run);
            }
            "to-the-version-before" => {
                fleet.roll_out(&["--certificate", of_last]).expect(0);
                serves(&fleet, &[last], &context);
            }
            // Where no host had been switched yet, that is a step further.
            "rollback" => {
                json(&["rollback", "playbook.yaml", "--yes"]).expect(0);
                serves(&fleet, &[last, before], &context);
            }
            _ => {
                let run = json(&["abort", "last"]);
                assert!([0, 1, 3].contains(&run.code), "{context}: {}{}", run.stdout, run.stderr);
                serves(&fleet, &[last], &context);
            }
        }
        for name in ["web01", "lb01", "edge01"] {
            let switch =
                fleet.lab.directory().join(format!("hosts/{name}/etc/certwave/.dead-man.api.lab.test"));
            assert!(!switch.exists(), "{context}: {name} is still armed");
        }
    }
    fleet.run(&["audit", "verify"]).expect(0);
}

#[test]
fn from_a_switch_of_nginx() {
    from_a_controller_that_was_killed_at("web01", "activate");
}

#[test]
fn from_a_switch_of_haproxy() {
    from_a_controller_that_was_killed_at("lb01", "activate");
}

#[test]
fn from_a_switch_of_envoy() {
    from_a_controller_that_was_killed_at("edge01", "activate");
}

#[test]
fn from_a_commit() {
    from_a_controller_that_was_killed_at("lb01", "commit");
}
