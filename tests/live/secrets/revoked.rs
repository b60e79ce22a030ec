//! Replaced everywhere, proven, and only then revoked; and never put on a host again.

use certwave::lab::Break;

use crate::support::{Fleet, Run};

fn certificate(run: &Run, field: &str) -> String {
    run.last()["certificate"][field].as_str().unwrap().to_owned()
}

fn revoke(fleet: &Fleet, version: &str, args: &[&str]) -> Run {
    fleet.run(&[&["revoke", "playbook.yaml", version, "--reason", "key-compromise", "--yes"], args].concat())
}

#[test]
fn only_what_no_host_serves_is_revoked_and_nobody_goes_back_to_it() {
    let mut fleet = Fleet::start(2);
    let first = fleet.roll_out(&[]).expect(0);
    let (old, serial) = (certificate(&first, "version"), certificate(&first, "serial"));
    let refused = revoke(&fleet, &old, &[]).expect(1);
    assert!(refused.stderr.contains(&format!("{old} is what web01, web02 serve")), "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was revoked"), "{}", refused.stderr);
    assert!(!fleet.lab.pebble.is_revoked(&serial).unwrap());

    // Half of the fleet has another one: still refused, for the other half.
    let forced = fleet.roll_out(&["--force", "--limit", "web01"]).expect(0);
    let refused = revoke(&fleet, &old, &[]).expect(1);
    assert!(refused.stderr.contains(&format!("{old} is what web02 serves")), "{}", refused.stderr);
    fleet.roll_out(&[]).expect(0);

    // The CA is away: noted, and asked again.
    fleet.edit("issuers:\n  - acme: https://", "issuers:\n  - acme: https://not.");
    let unconfirmed = revoke(&fleet, &old, &[]).expect(1);
    assert!(unconfirmed.stderr.contains("no CA has confirmed"), "{}", unconfirmed.stderr);
    fleet.edit("issuers:\n  - acme: https://not.", "issuers:\n  - acme: https://");
    let listed = fleet.run(&["certificates"]).expect(0).stdout;
    assert!(listed.contains("noted as revoked (key-compromise); no CA has confirmed it"), "{listed}");
    let back = fleet.run(&["rollback", "playbook.yaml", "--to", &old, "--yes"]).expect(1);
    assert!(back.stderr.contains(&format!("{old} was revoked on")), "{}", back.stderr);

    let done = revoke(&fleet, &old, &[]).expect(0);
    assert!(done.stdout.contains(&format!("api.lab.test {old} is revoked by")), "{}", done.stdout);
    assert!(fleet.lab.pebble.is_revoked(&serial).unwrap());
    let again = revoke(&fleet, &old, &[]).expect(0);
    assert!(again.stdout.contains("was revoked on"), "{}", again.stdout);
    let listed = fleet.run(&["certificates", "--output", "json"]).expect(0);
    let [new, gone] = &listed.lines()[..] else { panic!("{}", listed.stdout) };
    assert_eq!((&new["version"], &new["hosts"]), (&certificate(&forced, "version").into(), &2.into()));
    assert_eq!((&gone["hosts"], &gone["revocation"]["reason"]), (&0.into(), &"key-compromise".into()));

    // Neither by name, nor by default, nor as the way back of a single host.
    fleet.roll_out(&["--certificate", &old]).expect(1);
    let none = fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(1);
    assert!(none.stderr.contains("verified on before was revoked"), "{}", none.stderr);
    let current = certificate(&forced, "version");
    let served = fleet.all_served();
    revoke(&fleet, &current, &["--accept", &current]).expect(0);
    fleet.lab.break_canary(Break::Chain).unwrap();
    // What is revoked is replaced without being asked, and the canary that fails does not get it back.
    let run = fleet.roll_out(&[]).expect(4);
    let host = &run.last()["hosts"][0];
    let words = format!("its previous certificate {current} was revoked and is not put back");
    assert!(host["error"].as_str().unwrap().contains(&words), "{host}");
    assert_ne!(certificate(&run, "version"), current);
    assert_eq!(run.hosts(), ["rollback_failed", "untouched"]);
    assert_ne!(fleet.served(0), served[0]);
    assert_eq!(fleet.served(1), served[1]);
}

/// Nobody can resume it: it must not keep its certificate from being replaced.
#[test]
fn a_paused_rollout_of_a_revoked_version_holds_up_nothing() {
    let fleet = Fleet::start(2);
    fleet.edit("    batch: [1, 50%]", "    approval: required");
    let before = fleet.all_served();
    let waits = fleet.roll_out(&[]).expect(5);
    let version = certificate(&waits, "version");
    revoke(&fleet, &version, &["--accept", &version]).expect(0);
    fleet.run(&["resume"]).expect(1);
    fleet.run(&["abort", "last"]).expect(3);
    assert_eq!(fleet.all_served(), before);

    let waits = fleet.roll_out(&[]).expect(5);
    let version = certificate(&waits, "version");
    revoke(&fleet, &version, &["--accept", &version]).expect(0);
    let next = fleet.run(&["rollout", "playbook.yaml", "--yes"]).expect(5);
    assert!(next.stderr.contains("stays paused"), "{}", next.stderr);
    fleet.run(&["approve"]).expect(0);
    let run = fleet.run(&["resume", "--output", "json"]).expect(0);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
}
