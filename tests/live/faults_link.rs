//! What befalls the connection to a host, anywhere in its rollout: it is looked at again, never assumed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::hold::Hold;
use crate::proxy::Proxy;
use crate::running::{ROLLOUT, Running};
use crate::support::{Fleet, Run};
use crate::watch::Watch;

/// The steps of a host that ended in doubt; each is followed by a look at the host.
fn doubts(run: &Run, host: &str) -> Vec<String> {
    let lines = run.lines();
    let steps: Vec<&Value> =
        lines.iter().filter(|line| line["host"] == host && !line["step"].is_null()).collect();
    let mut doubts = Vec::new();
    for pair in steps.windows(2) {
        // Of a link that was found to be lost before, commit says that it is unreachable.
        if pair[0]["result"] == "in_doubt" || pair[0]["result"] == "unreachable" {
            assert_eq!((&pair[1]["event"], &pair[1]["step"]), (&"step.started".into(), &"inspect".into()));
            doubts.push(pair[0]["step"].as_str().unwrap().to_owned());
        }
    }
    doubts
}

#[test]
fn cut_after_any_number_of_bytes() {
    let fleet = Fleet::start(2);
    fleet.edit("    soak: 1s", "    soak: 0s");
    fleet.edit("  - name: production\n    hosts: web\n    batch: [1, 50%]\n", "");
    let proxy = Proxy::before(&fleet, 0);
    fleet.run(&ROLLOUT).expect(0);
    let before = proxy.sent();
    let mut rollout = Running::rollout(&fleet);
    let begun = ["inspect", "stage", "activate", "commit"].map(|step| {
        rollout.until_step("web01", step);
        proxy.sent() - before
    });
    rollout.end().expect(0);
    let all = proxy.sent() - before;
    // Anywhere, and in the first words of each step.
    let cuts = [all / 4, all / 2, all * 3 / 4].into_iter().chain(begun.map(|bytes| bytes + 60));
    let watch = Watch::over(&fleet);
    let mut doubted = BTreeSet::new();
    for cut in cuts {
        let old = fleet.served(0);
        proxy.cut_after(cut);
        let run = fleet.run(&ROLLOUT);
        // One cut is gone on after, unless it came before the host was locked.
        let untouched = run.code == 1 && run.hosts() == ["unreachable"];
        assert!(untouched || run.code == 0, "cut {cut}: {} {}", run.code, run.stdout);
        assert_eq!(fleet.served(0), if untouched { old } else { run.leaf() }, "cut {cut}");
        doubted.extend(doubts(&run, "web01"));
        let run = fleet.roll_out(&[]).expect(0);
        assert_eq!(fleet.served(0), run.leaf(), "cut {cut}");
    }
    assert!(doubted.len() >= 2, "no cut met a step: {doubted:?}");
    watch.end();
}

#[test]
fn frozen_in_any_step_and_reached_again() {
    let fleet = Fleet::start(3);
    fleet.edit("    hosts: canary", "    hosts: all");
    fleet.edit("  - name: production\n    hosts: web\n    batch: [1, 50%]\n", "");
    let proxies = [0, 1, 2].map(|host| Proxy::before(&fleet, host));
    let hold = Hold::on(&fleet);
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "stage");
    let staging = proxies[0].sent();
    rollout.end().expect(0);

    let watch = Watch::over(&fleet);
    hold.arm();
    std::fs::remove_file(fleet.lab.hosts[2].root.join("hold")).unwrap();
    // In the middle of an upload, of a switch, and behind it.
    proxies[0].freeze_after(staging + 4096);
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web03", "verify");
    proxies[2].freeze();
    hold.reached(1);
    proxies[1].freeze();
    hold.release();
    let run = rollout.end().expect(0);
    assert_eq!(run.hosts(), ["changed"; 3]);
    assert_eq!(
        ["web01", "web02", "web03"].map(|host| doubts(&run, host).concat()),
        ["stage", "activate", "commit"]
    );
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf(), run.leaf()]);
    watch.end();
}
