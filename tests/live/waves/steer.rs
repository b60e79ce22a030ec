//! A rollout that is steered from another terminal.

use certwave::lab::wait_for;
use nix::sys::signal::Signal;

use crate::hold::PATIENCE;
use crate::running::{ROLLOUT, Running};
use crate::support::{Fleet, Run};

fn go_on(fleet: &Fleet) -> Run {
    fleet.run(&["--output", "json", "resume"])
}

#[test]
fn paused_from_another_terminal_and_gone_on_with() {
    let fleet = Fleet::with_soak(3, "10m");
    let before = fleet.all_served();
    let rollout = fleet.roll_out_until("soak.started");
    fleet.run(&["pause"]).expect(0);
    assert_eq!(rollout.end().expect(5).last()["outcome"], "paused");
    assert_eq!(fleet.all_served()[1..], before[1..]);
    let shown = fleet.run(&["show"]).expect(0).stdout;
    assert!(shown.contains("asked to pause: hosts in flight are finished"), "{shown}");
    let again = fleet.run(&["pause"]).expect(1);
    assert!(again.stderr.contains("does not run"), "{}", again.stderr);

    // Given up while paused: the canary goes back.
    let run = fleet.run(&["--output", "json", "abort"]).expect(3);
    assert_eq!(run.last()["outcome"], "rolled_back");
    assert_eq!(fleet.all_served(), before);
    let over = fleet.run(&["abort"]).expect(1);
    assert!(over.stderr.contains("nothing to abort"), "{}", over.stderr);
}

#[test]
fn what_was_asked_once_happens_once() {
    let fleet = Fleet::with_soak(2, "5s");
    let rollout = fleet.roll_out_until("soak.started");
    // Two people ask, and one of them twice; whatever was not heard before the pause is void when somebody resumes.
    (0..3).for_each(|_| drop(fleet.run(&["pause"])));
    assert_eq!(rollout.end().expect(5).last()["outcome"], "paused");
    let run = go_on(&fleet).expect(0);
    assert_eq!(run.last()["outcome"], "succeeded");
}

/// Only who resumes it by name takes that back.
#[test]
fn a_pause_outlives_a_controller_that_did_not_hear_it() {
    let fleet = Fleet::with_soak(2, "5s");
    let before = fleet.all_served();
    let rollout = fleet.roll_out_until("soak.started");
    rollout.signal(Signal::SIGSTOP);
    // It waits for an answer until nobody can give it any more.
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| fleet.run(&["pause"]));
        let journal = rusqlite::Connection::open(fleet.state().join("journal.db")).unwrap();
        let waiting =
            || -> u32 { journal.query_row("SELECT count(*) FROM commands", [], |row| row.get(0)).unwrap() };
        let asked_for = wait_for(PATIENCE, || waiting() == 1);
        rollout.kill();
        let asked = asked.join().unwrap().expect(0);
        assert!(asked_for, "nobody asked for a pause");
        asked
    });
    assert!(asked.stderr.contains("ended before it heard"), "{}", asked.stderr);
    let paused = fleet.run(&["rollout", "playbook.yaml", "--yes"]).expect(5);
    assert!(paused.stderr.contains("paused by"), "{}", paused.stderr);
    assert_eq!(fleet.served(1), before[1]);
    let run = go_on(&fleet).expect(0);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
}

#[test]
fn aborted_while_it_runs_it_rolls_back() {
    let fleet = Fleet::with_soak(2, "10m");
    let before = fleet.all_served();
    let rollout = fleet.roll_out_until("soak.started");
    fleet.run(&["abort"]).expect(0);
    assert_eq!(rollout.end().expect(3).last()["outcome"], "rolled_back");
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_rollout_that_is_not_over_at_its_deadline_rolls_back() {
    let fleet = Fleet::with_soak(2, "10m");
    fleet.edit("waves:\n", "deadline: 15s\nwaves:\n");
    let before = fleet.all_served();
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes"]).expect(3);
    let words = "wave `canary` stopped: the rollout was not over after 15s (its `deadline`)";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_deadline_stands_still_while_a_rollout_is_paused() {
    let fleet = Fleet::start(2);
    fleet
        .edit("    batch: [1, 50%]", "    approval: required\n    progress_deadline: 10m\n    deadline: 20m");
    fleet.edit("waves:\n", "deadline: 30m\nwaves:\n");
    fleet.roll_out(&[]).expect(5);
    // Two days later.
    fleet.run(&["approve"]).expect(0);
    let mut resume = std::process::Command::new("faketime");
    let command = fleet.command(&["--output", "json", "resume"]);
    resume.args(["-f", "+2d"]).arg(command.get_program()).args(command.get_args());
    resume.current_dir(fleet.lab.directory()).env("HOME", fleet.lab.directory()).env_remove("SSH_AUTH_SOCK");
    let run = Run::new(resume.output().unwrap()).expect(0);
    assert_eq!(run.last()["outcome"], "succeeded");
}

#[test]
fn outside_of_its_windows_a_rollout_waits_unless_the_certificate_is_about_to_expire() {
    let fleet = Fleet::start(2);
    let first = fleet.roll_out(&[]).expect(0);
    let before = fleet.all_served();
    // Open for an hour, in two hours or more: the hour may end while the test runs.
    let hour = |hours: i64| {
        (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).strftime("%H:00").to_string()
    };
    let windows = format!("windows: {{allow: [\"Mon-Sun {}-{} UTC\"]}}\n", hour(3), hour(4));
    fleet.edit("waves:\n", &format!("{windows}waves:\n"));
    let planned = fleet.run(&["plan", "playbook.yaml", "--force", "--output", "json"]).expect(0);
    assert!(planned.last()["seconds_at_least"].as_u64().unwrap() > 3_600, "{}", planned.last());

    let mut rollout = Running::start(fleet.command(&ROLLOUT));
    let id = rollout.until_event("window.awaited")["rollout"].as_str().unwrap().to_owned();
    fleet.run(&["pause", &id]).expect(0);
    assert_eq!(rollout.end().expect(5).last()["outcome"], "paused");
    assert_eq!(fleet.all_served(), before);

    // One that waits is not overtaken.
    let second = fleet.run(&["rollout", "playbook.yaml", "--yes", "--force"]).expect(1);
    assert!(second.stderr.contains(&id) && second.stderr.contains("certwave abort"), "{}", second.stderr);
    let back = fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(1);
    assert!(back.stderr.contains(&id), "{}", back.stderr);
    fleet.run(&["abort", &id]).expect(1);
    assert_eq!(fleet.all_served(), before);

    // Ninety days are left of what is served: with a hundred, windows no longer count.
    fleet.edit("]}\nwaves:", "], override_before_expiry: 100d}\nwaves:");
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes", "--force"]).expect(0);
    assert!(
        run.stderr.contains("note: outside of every window, but what is served expires on"),
        "{}",
        run.stderr
    );
    assert_ne!(fleet.all_served(), before);
    // On the way back nobody waits.
    let version = first.last()["certificate"]["version"].as_str().unwrap().to_owned();
    fleet.run(&["rollback", "playbook.yaml", "--yes", "--to", &version]).expect(0);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_wave_waits_for_its_approval() {
    let fleet = Fleet::start(3);
    fleet.edit("    batch: [1, 50%]", "    approval: required");
    let before = fleet.all_served();
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes"]).expect(5);
    assert!(run.stderr.contains("wave `production` waits for an approval"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: `certwave approve 01"), "{}", run.stderr);
    assert_eq!(fleet.all_served()[1..], before[1..]);
    // It is not overtaken, whatever is asked for.
    let canary = fleet.all_served();
    let id = fleet.run(&["history", "--output", "json"]).lines()[0]["rollout"].as_str().unwrap().to_owned();
    for other in
        [&["rollout", "playbook.yaml", "--yes", "--force"][..], &["rollback", "playbook.yaml", "--yes"]]
    {
        let refused = fleet.run(other).expect(1);
        let words = format!("rollout {id} of api.lab.test");
        assert!(refused.stderr.contains(&words), "{}", refused.stderr);
        assert!(refused.stderr.contains("is paused, or waits for an approval"), "{}", refused.stderr);
    }
    assert_eq!(fleet.all_served(), canary);
    // Nobody said yes yet.
    go_on(&fleet).expect(5);
    let wrong = fleet.run(&["approve", "last", "--wave", "canary"]).expect(64);
    assert!(wrong.stderr.contains("wave `canary` does not wait for an approval"), "{}", wrong.stderr);
    let approved = fleet.run(&["approve"]).expect(0);
    assert!(approved.stderr.contains("wave `production` of rollout"), "{}", approved.stderr);
    let run = go_on(&fleet).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed", "changed"]);
    let told = run.lines().into_iter().find(|line| line["event"] == "wave.approved").unwrap();
    assert!(told["by"].as_str().unwrap().contains('@'), "{told}");
    let over = fleet.run(&["approve"]).expect(1);
    assert!(over.stderr.contains("nothing waits for an approval"), "{}", over.stderr);
}

#[test]
fn an_approval_may_come_before_it_is_asked_for() {
    let fleet = Fleet::with_soak(2, "3s");
    fleet.edit("    batch: [1, 50%]", "    approval: required");
    let rollout = fleet.roll_out_until("soak.started");
    fleet.run(&["approve"]).expect(0);
    assert_eq!(rollout.end().expect(0).last()["outcome"], "succeeded");
}

#[test]
fn what_was_left_incomplete_can_be_aborted_and_every_wave_goes_back() {
    let mut fleet = Fleet::start(3);
    fleet.edit("hosts: canary", "hosts: \"web01:web02\"");
    fleet.edit("    soak: 1s", "    soak: 0s\n    max_failures: 1");
    let before = fleet.all_served();
    fleet.lab.hosts[0].sshd.as_mut().unwrap().process.stop();
    assert_eq!(fleet.roll_out(&[]).expect(6).hosts(), ["unreachable", "changed", "changed"]);
    fleet.lab.hosts[0].sshd.as_mut().unwrap().start_again().unwrap();
    let run = fleet.run(&["--output", "json", "abort"]).expect(3);
    assert_eq!(run.hosts(), ["untouched", "rolled_back", "rolled_back"]);
    assert_eq!(fleet.all_served(), before);
}
