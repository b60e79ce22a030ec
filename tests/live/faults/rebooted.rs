//! A host that is rebooted between its switch and its proof, without systemd: its dead-man switch does not outlive that, so
//! what nobody confirmed comes up with the servers, and somebody has to prove it. With systemd: see `tests/booted`.

use std::path::PathBuf;

use certwave::lab::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::hold::PATIENCE;
use crate::processes::descendants;
use crate::running::Running;
use crate::support::Fleet;

/// The dead-man switch of the first host.
fn switch(fleet: &Fleet) -> PathBuf {
    fleet.lab.hosts[0].root.join("etc/certwave/.dead-man.api.lab.test")
}

/// All processes of the first host die at once.
fn power_off(fleet: &Fleet) {
    let waiter = std::fs::read_to_string(switch(fleet).with_extension("test~on")).unwrap();
    let waiter = waiter.split_whitespace().nth(1).unwrap().parse().unwrap();
    let host = &fleet.lab.hosts[0];
    let servers = [host.nginx.process.id(), host.sshd.as_ref().unwrap().process.id()];
    let below = servers.into_iter().flat_map(descendants);
    let all: Vec<u32> = below.chain(servers).chain([waiter]).collect();
    assert!(all.len() >= 4, "no worker: {all:?}");
    for process in &all {
        // One may have come to its end by itself.
        let _ = kill(Pid::from_raw(i32::try_from(*process).unwrap()), Signal::SIGKILL);
    }
    // What is not waited for by anybody is a zombie without a program.
    let gone = |process: &u32| std::fs::read_link(format!("/proc/{process}/exe")).is_err();
    assert!(wait_for(PATIENCE, || all.iter().all(gone)), "they live on: {all:?}");
}

fn power_on(fleet: &mut Fleet) {
    let host = &mut fleet.lab.hosts[0];
    host.nginx.start_again().unwrap();
    host.sshd.as_mut().unwrap().start_again().unwrap();
}

/// A fleet whose first host was switched, and not proven yet.
fn switched(answers: &str) -> (Fleet, Running) {
    let fleet = Fleet::start(2);
    fleet.edit("    soak: 1s", "    soak: 0s");
    fleet.roll_out(&[]).expect(0);
    // Clients notice a reboot.
    let answers = format!("  timeout: 60s\n  answers: {answers}\n  at_most_failed: 1000");
    fleet.edit("  timeout: 20s", &answers);
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "verify");
    (fleet, rollout)
}

#[test]
fn while_its_controller_waits_for_the_proof_it_is_proven_and_confirmed() {
    let (mut fleet, rollout) = switched("300");
    power_off(&fleet);
    assert!(switch(&fleet).exists());
    power_on(&mut fleet);
    let run = rollout.end().expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    // Its connection was gone: it was looked at again before it was called done.
    let looks = |line: &Value| {
        line["event"] == "step.started" && line["host"] == "web01" && line["step"] == "inspect"
    };
    assert_eq!(run.lines().iter().filter(|line| looks(line)).count(), 2, "{}", run.stdout);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    assert!(!switch(&fleet).exists());
}

#[test]
fn with_its_controller_dead_it_is_found_unconfirmed_and_proven_by_resume() {
    let (mut fleet, rollout) = switched("300");
    rollout.kill();
    power_off(&fleet);
    power_on(&mut fleet);
    // Nobody confirmed it, and nobody will undo it.
    let unproven = fleet.served(0);
    assert!(switch(&fleet).exists());
    let run = fleet.resume().expect(0);
    assert_eq!((run.leaf(), run.hosts()), (unproven, vec!["changed".to_owned(); 2]));
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    assert!(!switch(&fleet).exists());
}
