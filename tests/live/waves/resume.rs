//! A controller that died, or left hosts behind, and `resume`.

use serde_json::Value;

use crate::running::Running;
use crate::support::Fleet;

fn events(lines: &[Value], name: &str) -> usize {
    lines.iter().filter(|line| line["event"] == name).count()
}

#[test]
fn after_kill_9_resume_finishes_the_rollout_where_its_journal_ends() {
    let fleet = Fleet::with_soak(3, "10m");
    fleet.roll_out_until("soak.started").kill();
    let id = fleet.run(&["history", "--output", "json"]).lines()[0]["rollout"].clone();
    assert!(id.is_string(), "{id}");
    let mut resumed = Running::start(fleet.command(&["--output", "json", "resume"]));
    resumed.until_event("soak.started");
    let seen = resumed.interrupt().expect(130).lines();
    assert_eq!(events(&seen, "rollout.resumed"), 1, "{seen:?}");
    // The canary was done before: nothing is done to it again, but it is watched anew.
    assert_eq!(events(&seen, "step.started"), 0, "{seen:?}");
    assert_eq!(seen[0]["rollout"], id, "{seen:?}");
}

#[test]
fn a_rollout_that_was_killed_is_gone_on_with_by_the_next_and_nothing_is_issued_again() {
    let fleet = Fleet::start(3);
    fleet.roll_out_until("wave.passed").kill();
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(events(&run.lines(), "rollout.resumed"), 1, "{:?}", run.lines());
    assert_eq!(events(&run.lines(), "certificate.issued"), 0);
    let new = run.last()["certificate"]["fingerprint_sha256"].clone();
    assert!(fleet.all_served().iter().all(|served| new == served.as_str()), "{:?}", fleet.all_served());
    let history = fleet.run(&["--output", "json", "history"]).expect(0);
    assert_eq!(history.lines().len(), 1, "{:?}", history.lines());
    let again = fleet.run(&["resume"]).expect(0);
    assert_eq!(again.stderr, "No unfinished rollout to resume.\n");
}

#[test]
fn a_killed_rollout_whose_playbook_changed_since_makes_room_for_a_new_one() {
    let fleet = Fleet::with_soak(2, "10m");
    fleet.roll_out_until("soak.started").kill();
    fleet.edit("soak: 10m", "soak: 0s");
    let run = fleet.roll_out(&[]).expect(0);
    assert!(run.stderr.contains("did not finish; playbook or inventory changed since"), "{}", run.stderr);
    assert_eq!(run.hosts(), ["unchanged", "changed"]);
    let history = fleet.run(&["--output", "json", "history"]).expect(0);
    assert_eq!(history.lines()[1]["outcome"], "interrupted", "{:?}", history.lines());
}

#[test]
fn hosts_that_could_not_be_reached_are_picked_up_by_resume() {
    let mut fleet = Fleet::start(3);
    fleet.lab.hosts[1].sshd.as_mut().unwrap().process.stop();
    fleet.edit("    batch: [1, 50%]", "    max_failures: 1");
    // Within the budget.
    let run = fleet.roll_out(&[]).expect(6);
    assert_eq!(run.last()["outcome"], "incomplete");
    assert_eq!(run.hosts(), ["changed", "unreachable", "changed"]);
    let breaks: jiff::Timestamp = run.last()["hosts"][1]["breaks_at"].as_str().unwrap().parse().unwrap();
    assert!(breaks > jiff::Timestamp::now(), "{breaks}");
    assert!(run.last()["hosts"][0]["breaks_at"].is_null());

    // Still dead: said again, and nothing else is touched.
    let run = fleet.run(&["--output", "json", "resume"]).expect(6);
    assert_eq!(run.hosts(), ["changed", "unreachable", "changed"]);

    fleet.lab.hosts[1].sshd.as_mut().unwrap().start_again().unwrap();
    let run = fleet.run(&["--output", "json", "resume"]).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed", "changed"]);
    let steps = run.lines().into_iter().filter(|line| line["event"] == "step.started");
    assert!(steps.clone().count() > 0 && steps.clone().all(|step| step["host"] == "web02"));
    assert_eq!(fleet.served(1), run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap());
}

#[test]
fn a_host_that_comes_back_while_the_others_are_done_is_not_left_behind() {
    let mut fleet = Fleet::start(3);
    fleet.lab.hosts[1].sshd.as_mut().unwrap().process.stop();
    fleet.edit("    batch: [1, 50%]", "    max_failures: 1");
    let rollout = fleet.roll_out_until("retry.planned");
    fleet.lab.hosts[1].sshd.as_mut().unwrap().start_again().unwrap();
    let run = rollout.end().expect(0);
    assert_eq!(run.last()["outcome"], "succeeded");
    assert_eq!(run.hosts()[1], "changed");
}
