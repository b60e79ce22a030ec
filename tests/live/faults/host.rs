//! What befalls a host's disk, before anything is changed and in the middle of it.

use certwave::lab::wait_for;

use crate::faults::tmpfs::Tmpfs;
use crate::hold::{Hold, PATIENCE};
use crate::running::{ROLLOUT, Running};
use crate::support::{Fleet, Run};
use crate::watch::Watch;

/// A fleet whose canary keeps its certificates on a disk of its own.
fn fleet() -> Option<(Fleet, Tmpfs)> {
    let fleet = Fleet::start(2);
    let disk = Tmpfs::over(&fleet.lab.hosts[0].root.join("etc/certwave"), "1m")?;
    Some((fleet, disk))
}

fn roll_out(fleet: &Fleet) -> Run {
    fleet.run(&ROLLOUT)
}

/// Stopped by the canary before anything live was changed, for a reason that names it.
fn refused(fleet: &Fleet, run: Run, words: &str, before: &[String]) {
    let run = run.expect(1);
    assert_eq!(run.hosts(), ["failed", "untouched"]);
    let error = run.error(0);
    assert!(error.contains(words) && error.contains("etc/certwave"), "{error}");
    assert!(run.stdout.contains("\"because\":\"budget\""), "{}", run.stdout);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_full_disk_is_found_before_the_switch_and_does_not_stand_in_the_way_after_it() {
    let Some((fleet, disk)) = fleet() else { return };
    let hold = Hold::on(&fleet);
    let watch = Watch::over(&fleet);
    let before = fleet.all_served();
    let full = disk.fill();
    refused(&fleet, roll_out(&fleet), "0 KiB free, 64 KiB needed", &before);
    drop(full);

    // It fills up once the host was found to have room.
    let mut rollout = Running::rollout(&fleet);
    rollout.until(|event| event["event"] == "step.finished" && event["step"] == "inspect");
    let full = disk.fill();
    let run = rollout.end();
    // Whichever step meets it: nothing that is live was changed, or all of it went back.
    match run.code {
        1 => assert_eq!(run.hosts(), ["failed", "untouched"]),
        _ => assert_eq!(run.expect(3).hosts(), ["rolled_back", "untouched"]),
    }
    assert_eq!(fleet.all_served(), before);
    drop(full);

    // After the switch there is nothing left that needs room: forward, and back.
    hold.arm();
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "activate");
    hold.reached(0);
    let full = disk.fill();
    hold.release();
    let run = rollout.end().expect(0);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    drop(full);

    let before = fleet.all_served();
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  server_name: other.lab.test");
    hold.arm();
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "activate");
    hold.reached(0);
    let full = disk.fill();
    hold.release();
    assert_eq!(rollout.end().expect(3).hosts(), ["rolled_back", "untouched"]);
    assert_eq!(fleet.all_served(), before);
    drop((full, hold));
    watch.end();
}

#[test]
fn a_disk_that_became_read_only_is_found_before_the_switch_and_told_after_it() {
    let Some((fleet, disk)) = fleet() else { return };
    let hold = Hold::on(&fleet);
    let watch = Watch::over(&fleet);
    let before = fleet.all_served();
    let read_only = disk.read_only();
    refused(&fleet, roll_out(&fleet), "is on a read-only file system", &before);
    drop(read_only);

    // In the middle of the switch: what is live is served, but nobody can confirm it there, nor put it back.
    hold.arm();
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "activate");
    hold.reached(0);
    let read_only = disk.read_only();
    hold.release();
    let run = rollout.end().expect(4);
    assert_eq!(run.hosts(), ["rollback_failed", "untouched"]);
    assert!(run.error(0).contains("etc/certwave"), "{}", run.error(0));
    assert_eq!(fleet.all_served(), [run.leaf(), before[1].clone()]);
    drop(read_only);
    assert_eq!(fleet.resume().expect(3).hosts(), ["rolled_back", "untouched"]);

    // Behind it the same, in a proof that takes five seconds at least.
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  answers: 100");
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "verify");
    let read_only = disk.read_only();
    let run = rollout.end().expect(4);
    assert_eq!(run.hosts(), ["rollback_failed", "untouched"]);
    assert_eq!(fleet.all_served(), [run.leaf(), before[1].clone()]);

    // Said again for as long as it is so.
    assert_eq!(fleet.resume().expect(4).hosts(), ["rollback_failed", "untouched"]);
    drop(read_only);
    assert_eq!(fleet.resume().expect(3).hosts(), ["rolled_back", "untouched"]);
    assert_eq!(fleet.all_served(), before);
    let armed = fleet.lab.hosts[0].root.join("etc/certwave/.dead-man.api.lab.test");
    assert!(wait_for(PATIENCE, || !armed.exists()));
    fleet.edit("answers: 100", "answers: 3");
    let run = roll_out(&fleet).expect(0);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    watch.end();
}
