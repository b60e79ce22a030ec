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

    // There is none before the first that was issued.
    let none = back(&fleet, &[]).expect(1);
    assert!(none.stderr.contains("no version before"), "{}", none.stderr);
    // Forward again, to one that is in the store.
    let run = fleet.roll_out(&["--certificate", &second]).expect(0);
    assert_eq!((version(&run), run.hosts()[0].as_str()), (second, "changed"));
    let unknown = fleet.roll_out(&["--certificate", "20200101T000000Z-00000000"]).expect(64);
    assert!(unknown.stderr.contains("there is no version 20200101T000000Z-00000000"), "{}", unknown.stderr);
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
