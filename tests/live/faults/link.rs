//! What befalls the connection to a host, anywhere in its rollout: it is looked at again, never assumed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::faults::proxy::Proxy;
use crate::hold::Hold;
use crate::running::{ROLLOUT, Running};
use crate::support::{Fleet, Run};
use crate::watch::Watch;

/// Finds the certificate that there is on every host, and only looks.
const UNFORCED: [&str; 5] = ["rollout", "playbook.yaml", "--yes", "--output", "json"];

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
    fleet.run(&ROLLOUT).expect(0);
    let all = proxy.sent() - before;
    // In the first words, anywhere, and in the last steps, which are short.
    let cuts = [60, all / 4, all / 2, all * 3 / 4, all - 240, all - 60];
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
    let sent_by = |rollout: &[&str]| {
        let before = proxies.each_ref().map(Proxy::sent);
        fleet.run(rollout).expect(0);
        [0, 1, 2].map(|host| proxies[host].sent() - before[host])
    };
    let (whole, look) = (sent_by(&ROLLOUT), sent_by(&UNFORCED));

    let watch = Watch::over(&fleet);
    hold.arm();
    // In the middle of an upload, which is what a look does not take.
    proxies[0].freeze_after(usize::midpoint(look[0], whole[0]));
    let rollout = Running::rollout(&fleet);
    // In the middle of a switch.
    hold.reached(1);
    proxies[1].freeze();
    // In the first words that come after a switch.
    hold.reached(2);
    proxies[2].freeze_after(60);
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
