//! What befalls the controller: a full disk, people who want it to stop, a second one.

use nix::sys::signal::Signal;

use crate::faults::tmpfs::Tmpfs;
use crate::hold::Hold;
use crate::running::{ROLLOUT, Running};
use crate::support::{Fleet, Run};
use crate::watch::Watch;

#[test]
fn where_the_state_has_no_room_left_hosts_in_flight_come_to_their_end_and_no_other_is_begun() {
    let fleet = Fleet::start(2);
    let Some(disk) = Tmpfs::over(&fleet.state(), "16m") else { return };
    let hold = Hold::on(&fleet);
    let before = fleet.all_served();
    let watch = Watch::over(&fleet);

    // From the beginning: nothing is begun.
    let full = disk.fill();
    let run = fleet.roll_out(&[]).expect(1);
    assert!(run.stderr.contains("journal.db") && run.stderr.contains("full"), "{}", run.stderr);
    assert!(fleet.untouched());
    drop(full);

    // With a host in flight: it is proven and confirmed.
    hold.arm();
    let mut rollout = Running::rollout(&fleet);
    let id = rollout.until_step("web01", "activate")["rollout"].as_str().unwrap().to_owned();
    hold.reached(0);
    let full = disk.fill();
    hold.release();
    let run = rollout.end().expect(4);
    for words in ["failed to keep the journal", "full", "state: web01 changed, web02 untouched"] {
        assert!(run.stderr.contains(words), "no `{words}` in {}", run.stderr);
    }
    let last = run.last();
    assert_eq!(
        (last["event"].as_str(), run.hosts()),
        (Some("rollout.finished"), vec!["changed".into(), "untouched".into()])
    );
    assert!(last["error"].as_str().unwrap().contains("failed to keep the journal"), "{last}");
    assert!(run.stderr.contains(&format!("make room where the state is kept, then `certwave resume {id}`")));
    let switched = fleet.served(0);
    assert_eq!((switched != before[0], fleet.served(1)), (true, before[1].clone()));
    assert!(!fleet.lab.hosts[0].root.join("etc/certwave/.dead-man.api.lab.test").exists());
    drop(full);
    let run = fleet.resume().expect(0);
    assert_eq!(run.hosts(), ["changed"; 2]);
    assert_eq!(run.leaf(), switched);
    assert_eq!(fleet.all_served(), [switched.as_str(); 2]);

    // And one that cannot be proven goes back.
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  server_name: other.lab.test");
    hold.arm();
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "activate");
    hold.reached(0);
    let full = disk.fill();
    hold.release();
    let run = rollout.end().expect(4);
    assert!(run.stderr.contains("state: web01 rolled back, web02 untouched"), "{}", run.stderr);
    assert_eq!(fleet.all_served(), [switched.as_str(); 2]);
    drop(full);
    assert_eq!(fleet.resume().expect(3).hosts(), ["rolled_back", "untouched"]);
    assert_eq!(fleet.all_served(), [switched.as_str(); 2]);

    fleet.run(&["audit", "verify"]).expect(0);
    // The old ones, the new one, and the one that went back.
    assert_eq!(watch.end().len(), before.len() + 2);
}

#[test]
fn signals_of_all_kinds_in_a_row_end_it_like_the_first() {
    let fleet = Fleet::start(2);
    let hold = Hold::on(&fleet);
    let before = fleet.all_served();
    let stopped = || {
        hold.arm();
        let mut rollout = Running::rollout(&fleet);
        rollout.until_step("web01", "activate");
        hold.reached(0);
        rollout.signal(Signal::SIGTERM);
        rollout.until_event("rollout.cancelled");
        for signal in [Signal::SIGINT, Signal::SIGINT, Signal::SIGHUP] {
            rollout.signal(signal);
        }
        hold.release();
        rollout.end()
    };
    let run = stopped().expect(130);
    assert_eq!(
        (run.last()["outcome"].as_str(), run.hosts().as_slice()),
        (Some("interrupted"), &["changed".to_owned(), "untouched".to_owned()][..])
    );
    assert_eq!(fleet.all_served(), [run.leaf(), before[1].clone()]);
    let run = fleet.resume().expect(0);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);

    // A host in flight that cannot be proven goes back first.
    let before = fleet.all_served();
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  server_name: other.lab.test");
    assert_eq!(stopped().expect(3).hosts(), ["rolled_back", "untouched"]);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn two_controllers_with_states_of_their_own_meet_at_the_hosts_lock() {
    let fleet = Fleet::start(2);
    let hold = Hold::on(&fleet);
    let other = fleet.lab.directory().join("other-state");
    let before = fleet.all_served();
    let watch = Watch::over(&fleet);
    hold.arm();
    let mut first = Running::rollout(&fleet);
    let id = first.until_step("web01", "activate")["rollout"].as_str().unwrap().to_owned();
    hold.reached(0);

    // By the same state it is not even begun; by another, the host says who holds it.
    let second = fleet.roll_out(&["--force"]).expect(1);
    let holder = format!("rollout {id} by process {} on ", first.id());
    assert!(second.stderr.contains(&format!("already running: {holder}")), "{}", second.stderr);
    let second = Running::start(fleet.command_in(&other, &ROLLOUT)).end().expect(1);
    assert_eq!(second.hosts(), ["failed", "untouched"]);
    let error = second.error(0);
    assert!(error.contains(&format!("another rollout holds the lock: {holder}")), "{error}");
    assert_eq!(fleet.all_served(), before);

    hold.release();
    let first = first.end().expect(0);
    assert_eq!(fleet.all_served(), [first.leaf(), first.leaf()]);

    // Both at once, as chance has it.
    let racing =
        [fleet.state(), other.clone()].map(|state| Running::start(fleet.command_in(&state, &ROLLOUT)));
    let ended = racing.map(Running::end);
    let known: Vec<String> = ended.iter().map(Run::leaf).chain([first.leaf()]).collect();
    let served = fleet.all_served();
    assert!(served.iter().all(|leaf| known.contains(leaf)), "{served:?} are not of {known:?}");

    let last = Running::start(fleet.command_in(&other, &ROLLOUT)).end().expect(0);
    assert_eq!(fleet.all_served(), [last.leaf(), last.leaf()]);
    watch.end();
}
