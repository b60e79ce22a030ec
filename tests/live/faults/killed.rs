//! The controller is killed after every event of its journal, and gone on with: at all times each host serves one
//! whole certificate that is known, and in the end the new one.

use crate::running::Running;
use crate::support::Fleet;
use crate::watch::Watch;

/// Rolls a new certificate out and kills the controller after its nth event, or the last; the event that was seen then.
fn kill_after(fleet: &Fleet, n: usize) -> String {
    let mut rollout = Running::rollout(fleet);
    let mut event = rollout.until_event("wave.started");
    for _ in 1..n {
        if event["event"] == "rollout.finished" {
            break;
        }
        event = rollout.until(|_| true);
    }
    rollout.kill();
    event["event"].as_str().unwrap().to_owned()
}

/// Two fleets beside each other: one after every odd event, one after every even one.
#[test]
fn killed_after_every_event_and_gone_on_with_no_host_serves_anything_half() {
    std::thread::scope(|scope| {
        for first in [1, 2] {
            scope.spawn(move || killed_after_every_second_event(first));
        }
    });
}

fn killed_after_every_second_event(first: usize) {
    let fleet = Fleet::mixed(1, 1, 1);
    fleet.edit("soak: 1s", "soak: 0s");
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    fleet.roll_out(&[]).expect(0);
    let mut watch = Watch::over(&fleet);
    for n in (first..).step_by(2) {
        if kill_after(&fleet, n) == "rollout.finished" {
            assert!(n > 30, "{n}");
            break;
        }
        let run = fleet.run(&["--output", "json", "resume"]);
        if run.stderr.contains("No unfinished rollout to resume") {
            // It was faster than its death.
            assert!(n > 30, "{n}");
            continue;
        }
        let run = run.expect(0);
        let last = run.last();
        let new = last["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
        assert_eq!(last["outcome"], "succeeded", "after event {n}: {last}");
        let served: Vec<String> =
            std::iter::once(fleet.served(0)).chain((0..2).map(|front| fleet.front_served(front))).collect();
        assert!(served.iter().all(|one| *one == new), "after event {n}: {served:?}, not {new}");
        for host in ["web01", "lb01", "edge01"] {
            let switch =
                fleet.lab.directory().join(format!("hosts/{host}/etc/certwave/.dead-man.api.lab.test"));
            assert!(!switch.exists(), "after event {n}: {host} is still armed");
        }
        let seen = watch.end();
        assert!(seen.len() <= 2, "after event {n}: {seen:?}");
        watch = Watch::over(&fleet);
    }
    watch.end();
    assert!(fleet.run(&["audit", "verify"]).code == 0);
}
