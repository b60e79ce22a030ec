//! A port that answered nobody before the switch, and a controller that dies after it: what the journal keeps decides.

use crate::running::Running;
use crate::support::{Fleet, Run};

/// Is killed while it verifies a host that has a second port, where nobody listens.
fn killed_in_verify() -> (Fleet, Vec<String>) {
    let fleet = Fleet::start(1);
    let before = fleet.all_served();
    fleet.edit("port: \"{{ https_port }}\"", "port: [\"{{ https_port }}\", 1]");
    fleet.edit("timeout: 20s", "timeout: 2s");
    let args = ["rollout", "playbook.yaml", "--yes", "--output", "json", "--accept", "web01"];
    let mut rollout = Running::start(fleet.command(&args));
    rollout.until_step("web01", "verify");
    rollout.kill();
    assert_ne!(fleet.all_served(), before);
    (fleet, before)
}

fn is_as_it_was(fleet: &Fleet, before: &[String], run: &Run) {
    assert_eq!(run.hosts(), ["rolled_back"], "{}", run.stdout);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_host_whose_second_port_never_answered_is_as_it_was_when_a_resumed_rollout_fails() {
    let (fleet, before) = killed_in_verify();
    let run = fleet.resume().expect(3);
    is_as_it_was(&fleet, &before, &run);
}

#[test]
fn and_when_it_is_aborted() {
    let (fleet, before) = killed_in_verify();
    let run = fleet.run(&["--output", "json", "abort", "last"]).expect(3);
    is_as_it_was(&fleet, &before, &run);
}
