//! What the journal answers: what the fleet was verified on, until when what it serves is valid, and who may work on it.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Fleet, Run};
use crate::waves::terminal::Terminal;

fn version(run: &Run) -> String {
    run.last()["certificate"]["version"].as_str().unwrap().to_owned()
}

/// Rolls out a certificate that every host refuses: its handshakes are for another name.
fn spoiled(fleet: &Fleet) -> Run {
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  server_name: other.lab.test");
    let run = fleet.roll_out(&["--force"]).expect(3);
    fleet.edit("  timeout: 20s\n  server_name: other.lab.test", "  timeout: 20s");
    run
}

fn back(fleet: &Fleet) -> Run {
    fleet.run(&["rollback", "playbook.yaml", "--yes", "--output", "json"])
}

#[test]
fn a_rollback_passes_over_versions_that_the_fleet_never_kept() {
    let fleet = Fleet::start(2);
    let first = version(&fleet.roll_out(&[]).expect(0));
    let before = fleet.all_served();
    let refused = version(&spoiled(&fleet));
    let third = version(&fleet.roll_out(&["--force"]).expect(0));
    assert_eq!(version(&back(&fleet).expect(0)), first);
    assert_eq!(fleet.all_served(), before);

    // One that was stopped in its canary is none to go back to, either; its host goes back as well.
    fleet.roll_out_until("soak.started").kill();
    assert_eq!(version(&back(&fleet).expect(0)), first);
    assert_eq!(fleet.all_served(), before);
    assert!([&refused, &third].iter().all(|other| **other != first));
}

#[test]
fn hosts_that_were_rolled_out_in_parts_go_back_to_what_each_was_verified_on() {
    let fleet = Fleet::start(2);
    let first = version(&fleet.roll_out(&[]).expect(0));
    let before = fleet.all_served();
    let second = version(&fleet.roll_out(&["--force", "--limit", "web01"]).expect(0));
    fleet.roll_out(&["--force"]).expect(0);
    // The other host never had the second one.
    let run = back(&fleet).expect(0);
    assert_ne!(version(&run), second);
    assert_eq!((version(&run), fleet.all_served()), (first.clone(), before.clone()));

    // One host goes back at first, and then the rest of them: nobody goes further than the other.
    fleet.roll_out(&["--force"]).expect(0);
    let limited = ["rollback", "playbook.yaml", "--yes", "--limit", "web01", "--output", "json"];
    assert_eq!(version(&fleet.run(&limited).expect(0)), first);
    assert_eq!(fleet.served(0), before[0]);
    assert_ne!(fleet.served(1), before[1]);
    assert_eq!(version(&back(&fleet).expect(0)), first);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn what_no_host_kept_leaves_nothing_to_put_back() {
    let fleet = Fleet::start(2);
    let before = fleet.all_served();
    spoiled(&fleet);
    let run = back(&fleet).expect(1);
    assert!(run.stderr.contains("there is nothing to put back"), "{}", run.stderr);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_window_counts_what_is_served_and_not_what_was_only_issued() {
    let fleet = Fleet::start(2);
    // Hosts serve what the lab made, for thirty days more. What is in the store is valid for ninety.
    spoiled(&fleet);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3_600;
    let hour = |later: u64| format!("{:02}:00", (now + later) % 24);
    let windows = |before: &str| {
        format!(
            "windows: {{allow: [\"Mon-Sun {}-{} UTC\"], override_before_expiry: {before}}}\n",
            hour(2),
            hour(3)
        )
    };
    fleet.edit("waves:\n", &format!("{}waves:\n", windows("45d")));
    let planned = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).expect(0);
    assert!(planned.last()["seconds_at_least"].as_u64().unwrap() < 3_600, "{}", planned.last());
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes"]).expect(0);
    let words = "note: outside of every window, but what is served expires on";
    assert!(run.stderr.contains(words), "{}", run.stderr);

    // From now on what is served is as young as all else.
    let planned = fleet.run(&["plan", "playbook.yaml", "--force", "--output", "json"]).expect(0);
    assert!(planned.last()["seconds_at_least"].as_u64().unwrap() > 3_600, "{}", planned.last());
}

#[test]
fn who_loses_the_certificate_at_its_prompt_orders_nothing_and_says_so() {
    let fleet = Fleet::start(2);
    let mut asked = Terminal::start(&fleet, 80, Some("xterm"), &["rollout", "playbook.yaml"]);
    asked.until("Type `yes` to continue");
    let second = fleet.roll_out(&[]).expect(1);
    assert!(second.stderr.contains("already running: rollout"), "{}", second.stderr);

    // It hangs until its time is up.
    let pid = Pid::from_raw(i32::try_from(asked.child.id()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    let journal = rusqlite::Connection::open(fleet.state().join("journal.db")).unwrap();
    journal.execute("UPDATE leases SET expires = '2020-01-01T00:00:00Z'", []).unwrap();
    let run = fleet.roll_out(&[]).expect(0);
    kill(pid, Signal::SIGCONT).unwrap();
    asked.types("yes\r");
    let (code, seen) = asked.end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(seen.contains("it was taken over by rollout"), "{seen}");
    assert!(seen.contains("no host was touched"), "{seen}");

    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    assert_eq!(fleet.run(&["history", "--output", "json"]).expect(0).lines().len(), 1);
    let facts = fleet.run(&["audit", "--output", "json"]).expect(0).lines();
    let orders = facts.iter().filter(|fact| fact["event"] == "issuance.order_placed");
    assert_eq!(orders.count(), 1);
    assert_eq!(fleet.run(&["certificates", "--output", "json"]).expect(0).lines().len(), 1);
    let nothing = fleet.run(&["resume"]).expect(0);
    assert!(nothing.stderr.contains("No unfinished rollout"), "{}", nothing.stderr);
    fleet.run(&["audit", "verify"]).expect(0);
}
