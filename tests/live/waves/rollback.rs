//! `certwave rollback`: back to an earlier certificate, whatever becomes of single hosts.

use crate::support::{Fleet, Run};

fn version(run: &Run) -> String {
    run.last()["certificate"]["version"].as_str().unwrap().to_owned()
}

fn back(fleet: &Fleet, args: &[&str]) -> Run {
    fleet.run(&[&["rollback", "playbook.yaml", "--yes", "--output", "json"], args].concat())
}

#[test]
fn back_to_the_version_before_newest_wave_first_and_forward_again() {
    let fleet = Fleet::mixed(2, 1, 1);
    let first = version(&fleet.roll_out(&[]).expect(0));
    let before = (fleet.all_served(), fleet.front_served(0), fleet.front_served(1));
    let second = version(&fleet.roll_out(&["--force"]).expect(0));
    assert_ne!(first, second);

    let run = back(&fleet, &[]).expect(0);
    assert_eq!(version(&run), first);
    assert_eq!(before, (fleet.all_served(), fleet.front_served(0), fleet.front_served(1)));
    let waves: Vec<String> = run
        .lines()
        .iter()
        .filter(|line| line["event"] == "wave.started")
        .map(|line| line["wave"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(waves, ["production", "canary"]);
    assert!(run.lines().iter().all(|line| line["event"] != "soak.started"));

    // Forward again, to one that is in the store.
    let run = fleet.roll_out(&["--certificate", &second]).expect(0);
    assert_eq!((version(&run), run.hosts()[0].as_str()), (second, "changed"));
    let unknown = fleet.roll_out(&["--certificate", "20200101T000000Z-00000000"]).expect(64);
    assert!(unknown.stderr.contains("there is no version 20200101T000000Z-00000000"), "{}", unknown.stderr);
}

#[test]
fn the_first_rollout_is_taken_back_to_what_each_host_had_before() {
    let mut fleet = Fleet::mixed(2, 1, 1);
    let all = |fleet: &Fleet| (fleet.all_served(), fleet.front_served(0), fleet.front_served(1));
    let before = all(&fleet);
    let first = version(&fleet.roll_out(&[]).expect(0));
    // What the lab made itself does not last as long as an hour from then.
    fleet.edit("soak: 1s", "soak: 20000d");
    let refused = back(&fleet, &[]).expect(6);
    let reason = refused.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("before a renewal could be sure to finish"), "{reason}");
    assert_ne!(all(&fleet), before);
    // Who names it, gets it: one host's, and no other's.
    let web01 = refused.lines().last().unwrap()["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .position(|host| host["host"] == "web01");
    let error = refused.last()["hosts"][web01.unwrap()]["error"].as_str().unwrap().to_owned();
    let named = error.split_whitespace().nth(3).unwrap();
    let accepted = back(&fleet, &["--accept", named]).expect(6);
    assert_eq!(accepted.hosts().iter().filter(|outcome| *outcome == "rolled_back").count(), 1, "{error}");
    assert_eq!(fleet.served(0), before.0[0]);
    fleet.edit("soak: 20000d", "soak: 1s");

    // One is away: the others go back, and it does later.
    fleet.lab.hosts[1].sshd.as_mut().unwrap().process.stop();
    let run = back(&fleet, &[]).expect(6);
    assert_eq!(run.last()["outcome"], "incomplete");
    assert_eq!(run.hosts().iter().filter(|outcome| *outcome == "rolled_back").count(), 3);
    fleet.lab.hosts[1].sshd.as_mut().unwrap().start_again().unwrap();
    let run = fleet.run(&["--output", "json", "resume"]).expect(0);
    assert_eq!(
        (run.last()["outcome"].as_str(), run.hosts()),
        (Some("rolled_back"), vec!["rolled_back".to_owned(); 4])
    );
    assert_eq!(all(&fleet), before);
    // Once more is not once too much, and said to people it reads like this.
    let again = fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
    let words =
        format!("rolled back: 4 of 4 hosts are proven back on what they had before api.lab.test {first}");
    assert!(again.stdout.contains(&words), "{} {}", again.stdout, again.stderr);
    assert_eq!(all(&fleet), before);
    // And forward again, with what is in the store.
    assert_eq!(version(&fleet.roll_out(&[]).expect(0)), first);
}

#[test]
fn a_dead_host_does_not_stop_the_others_and_is_named() {
    let mut fleet = Fleet::start(3);
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    let first = version(&fleet.roll_out(&[]).expect(0));
    let before = fleet.all_served();
    fleet.roll_out(&["--force"]).expect(0);
    // The canary, a wave of its own: with it, no host of its wave is proven.
    fleet.lab.hosts[0].sshd.as_mut().unwrap().process.stop();
    let run = back(&fleet, &["--to", &first]).expect(6);
    assert_eq!(run.hosts(), ["changed", "changed", "unreachable"]);
    assert_eq!(run.last()["hosts"][2]["host"], "web01");
    assert_eq!(fleet.all_served()[1..], before[1..]);

    fleet.lab.hosts[0].sshd.as_mut().unwrap().start_again().unwrap();
    let run = fleet.run(&["--output", "json", "resume"]).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed", "changed"]);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn one_that_would_expire_before_a_renewal_could_finish_has_to_be_accepted() {
    let fleet = Fleet::start(2);
    let first = version(&fleet.roll_out(&[]).expect(0));
    fleet.roll_out(&["--force"]).expect(0);
    // Soaking takes longer than the certificate is valid for.
    fleet.edit("soak: 1s", "soak: 20000d");
    let refused = back(&fleet, &[]).expect(1);
    assert!(refused.stderr.contains("before a renewal could be sure to finish"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains(&format!("`--accept {first}` goes back to it all the same")),
        "{}",
        refused.stderr
    );
    assert_eq!(version(&back(&fleet, &["--accept", &first]).expect(0)), first);
}

#[test]
fn a_repeated_rollout_whose_verification_fails_takes_no_certificate_off_its_hosts() {
    let fleet = Fleet::mixed(1, 1, 1);
    let all = || (fleet.all_served(), fleet.front_served(0), fleet.front_served(1));
    fleet.roll_out(&[]).expect(0);
    fleet.roll_out(&["--force"]).expect(0);
    let good = all();
    fleet.edit("  timeout: 20s", "  timeout: 5s\n  server_name: other.lab.test");
    let run = fleet.roll_out(&[]).expect(1);
    assert_eq!(run.last()["outcome"], "failed");
    let reason = run.error(0);
    assert!(reason.contains("not for `other.lab.test`"), "{reason}");
    assert!(reason.ends_with("it had this certificate before the rollout, and keeps it"), "{reason}");
    assert_eq!(all(), good);
}

/// What goes back to a single certificate serves the same leaf as before, and it is proven by that.
#[test]
fn a_second_certificate_that_a_server_does_not_serve_is_taken_back_to_the_first() {
    let fleet = Fleet::start(1);
    fleet.roll_out(&[]).expect(0);
    let good = fleet.all_served();
    fleet.edit("domains: [api.lab.test]", "domains: [api.lab.test]\n  key: [ecdsa-p256, rsa-2048]");
    fleet.edit("timeout: 20s", "timeout: 5s");
    let run = fleet.roll_out(&[]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back"], "{}", run.last());
    assert_eq!(fleet.all_served(), good);
    assert!(fleet.run(&["audit", "verify"]).code == 0);
}
