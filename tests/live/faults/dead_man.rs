//! The controller dies between a host's switch and its proof: the host goes back by itself.

use std::fs;
use std::time::{Duration, Instant};

use certwave::lab::wait_for;
use serde_json::Value;

use crate::running::Running;
use crate::support::Fleet;

/// Until a fact, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A fleet with a first certificate, whose next one is never proven within the controller's life.
fn unproven(hosts: usize, haproxy: usize, envoy: usize, dead_man: &str) -> Fleet {
    let fleet = Fleet::mixed(hosts, haproxy, envoy);
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    fleet.roll_out(&[]).expect(0);
    fleet.edit("  timeout: 20s", "  timeout: 2s\n  answers: 1000000");
    fleet.edit("install:\n", &format!("install:\n  dead_man: {dead_man}\n"));
    fleet
}

fn fronts(fleet: &Fleet) -> Vec<String> {
    (0..fleet.lab.fronts.len()).map(|front| fleet.front_served(front)).collect()
}

/// Rolls a new certificate out until every host of the canary wave waits for its proof, then kills the controller.
fn switch_and_die(fleet: &Fleet, hosts: usize) -> String {
    let mut rollout = Running::rollout(fleet);
    let is_verifying = |event: &Value| event["event"] == "step.started" && event["step"] == "verify";
    let verifying: Vec<Value> = (0..hosts).map(|_| rollout.until(is_verifying)).collect();
    rollout.kill();
    verifying[0]["rollout"].as_str().unwrap().to_owned()
}

#[test]
fn every_kind_of_server_goes_back_by_itself_and_resume_says_so() {
    let fleet = unproven(1, 1, 1, "15s");
    fleet.edit("hosts: canary", "hosts: all");
    fleet.edit("  - name: production\n    hosts: web:lb:edge\n    parallel: 8\n", "");
    let (web, front) = (fleet.all_served(), fronts(&fleet));
    switch_and_die(&fleet, 3);
    // All three were switched, in memory too; nobody proved it.
    assert!(
        fleet.all_served() != web && fronts(&fleet).iter().zip(&front).all(|(now, before)| now != before)
    );
    assert!(
        wait_for(PATIENCE, || fleet.all_served() == web && fronts(&fleet) == front),
        "{:?}",
        fronts(&fleet)
    );

    fleet.edit("  answers: 1000000", "  answers: 3");
    let resumed = fleet.run(&["rollout", "playbook.yaml", "--yes", "--output", "json"]).expect(0);
    let undone: Vec<_> = resumed.lines().into_iter().filter(|line| !line["undone"].is_null()).collect();
    assert_eq!(undone.len(), 3, "{}", resumed.stdout);
    assert!(undone.iter().all(|line| line["undone"]["problem"].is_null()), "{undone:?}");
    let new = resumed.last()["certificate"]["fingerprint_sha256"].clone();
    assert!(fleet.all_served().iter().chain(&fronts(&fleet)).all(|served| new == served.as_str()));
    assert_eq!(resumed.hosts(), ["changed", "changed", "changed"]);
}

#[test]
fn resume_in_time_proves_and_confirms_what_was_switched() {
    let fleet = unproven(2, 0, 0, "10m");
    let rollout = switch_and_die(&fleet, 1);
    let new = fleet.served(0);
    // The proof that the plan asks for never ends: that of a new rollout does.
    fleet.edit("  answers: 1000000", "  answers: 3");
    let run = fleet.roll_out(&[]).expect(0);
    assert!(run.stderr.contains(&format!("rollout {rollout}")), "{}", run.stderr);
    assert_eq!(run.last()["certificate"]["fingerprint_sha256"], new.as_str());
    assert_eq!(run.hosts(), ["changed", "changed"]);
    let armed = fleet.lab.hosts[0].root.join("etc/certwave/.dead-man.api.lab.test");
    assert!(!armed.exists());
    assert_eq!(fleet.served(0), new);
}

/// The reload ignores every signal that it may, and so does what it began.
#[test]
fn a_host_whose_reload_hangs_goes_back_though_its_controller_died() {
    let fleet = Fleet::mixed(1, 0, 0);
    fleet.roll_out(&[]).expect(0);
    let root = &fleet.lab.hosts[0].root;
    let live = root.join("etc/certwave/live/api.lab.test");
    let (link, old) = (fs::read_link(&live).unwrap(), fleet.served(0));
    let (hangs, hung) = (root.join("hangs"), root.join("hung"));
    fs::write(&hangs, "").unwrap();
    let reload = root.join("reload.sh");
    let script = format!(
        "if rm '{}' 2>/dev/null; then\n: >'{}'\ntrap '' HUP INT QUIT PIPE ALRM TERM USR1 USR2\nsleep 3600 &\nsleep 3601\nwait\nfi\n\
         kill -HUP \"$(cat '{}')\"\n",
        hangs.display(),
        hung.display(),
        root.join("nginx/logs/nginx.pid").display()
    );
    fs::write(&reload, script).unwrap();
    fleet.edit("    nginx: {", &format!("    nginx: {{reload: \"sh {}\", ", reload.display()));
    fleet.edit("  timeout: 20s", "  timeout: 4s");
    fleet.edit("install:\n", "install:\n  dead_man: 6s\n");
    let rollout = Running::rollout(&fleet);
    assert!(wait_for(PATIENCE, || hung.exists()));
    let begun = Instant::now();
    assert_ne!(fs::read_link(&live).unwrap(), link);
    rollout.kill();
    assert!(wait_for(PATIENCE, || fs::read_link(&live).unwrap() == link));
    assert!(begun.elapsed() < Duration::from_secs(6 + 10), "{:?}", begun.elapsed());
    assert_eq!(fleet.served(0), old);
    // Nothing holds the host up any more.
    let fired = root.join("etc/certwave/.dead-man.api.lab.test~fired");
    assert!(wait_for(PATIENCE, || fired.exists()));
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.served(0), run.last()["certificate"]["fingerprint_sha256"]);
}
