//! Envoy: the switch of the link is the reload, and its admin interface says whether it was taken.

use certwave::lab::Break;

use crate::secrets::findings::{from_files, issue, issue_on};
use crate::support::Fleet;

fn sds(fleet: &Fleet) -> std::path::PathBuf {
    fleet.lab.fronts[0].root.join("envoy/sds.yaml")
}

#[test]
fn the_switch_of_the_link_is_taken_and_taken_back() {
    let mut fleet = Fleet::mixed(1, 0, 1);
    let written = std::fs::read_to_string(sds(&fleet)).unwrap();
    let run = fleet.roll_out(&[]).expect(0);
    let first = run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
    assert_eq!((fleet.served(0), fleet.front_served(0)), (first.clone(), first));
    assert_eq!(run.last()["hosts"][1]["dropped_connections"], 0);
    assert_eq!(run.last()["hosts"][1]["failed_handshakes"], 0);
    assert_eq!(std::fs::read_to_string(sds(&fleet)).unwrap(), written, "an operator's file is not changed");
    let next = fleet.roll_out(&["--force"]).expect(0);
    assert_eq!(fleet.front_served(0), next.last()["certificate"]["fingerprint_sha256"]);
    let before = fleet.front_served(0);
    fleet.lab.break_canary(Break::Envoy).unwrap();
    let run = fleet.roll_out(&["--force"]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back", "failed"]);
    let reason = run.last()["hosts"][1]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("does not watch") && reason.contains("add `watched_directory"), "{reason}");
    assert_eq!(fleet.front_served(0), before);
}

#[test]
fn a_wrong_secret_and_a_wrong_admin_interface_are_told_before_anything_is_changed() {
    let fleet = Fleet::mixed(1, 0, 1);
    let before = fleet.front_served(0);
    fleet.edit("secret: server_cert", "secret: other_cert");
    let run = fleet.roll_out(&["--limit", "edge"]).expect(1);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("holds no secret `other_cert`"), "{reason}");
    fleet.edit("secret: other_cert", "secret: server_cert");
    fleet.edit("admin: \"{{ admin }}\"", "admin: \"127.0.0.1:1\"");
    let run = fleet.roll_out(&["--limit", "edge"]).expect(1);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("Envoy's admin interface"), "{reason}");
    assert_eq!(fleet.front_served(0), before);
}

#[test]
fn without_an_admin_interface_the_handshakes_tell() {
    let fleet = Fleet::mixed(1, 0, 1);
    fleet.edit(", admin: \"{{ admin }}\"", "");
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);
}

#[test]
fn a_missing_sds_file_is_written() {
    let fleet = Fleet::mixed(1, 0, 1);
    // Envoy has read it already, and watches on.
    std::fs::remove_file(sds(&fleet)).unwrap();
    fleet.roll_out(&[]).expect(0);
    let text = std::fs::read_to_string(sds(&fleet)).unwrap();
    assert!(
        text.contains("watched_directory") && text.contains("/etc/certwave/live/api.lab.test/fullchain.pem"),
        "{text}"
    );
}

#[test]
fn a_certificate_that_envoy_refuses_is_told_by_its_counters_and_taken_back() {
    let fleet = Fleet::mixed(1, 0, 1);
    fleet.roll_out(&[]).expect(0);
    let before = fleet.front_served(0);
    // OpenSSL knows this curve, Envoy does not.
    let root = issue("root", None, &[]);
    let between = issue("between", Some(&root), &[]);
    let leaf = issue_on(openssl::nid::Nid::SECP256K1, "leaf", Some(&between), &["api.lab.test"]);
    from_files(&fleet, &[&leaf, &between], &root);
    let run = fleet.roll_out(&["--limit", "edge"]).expect(3);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("it could not load certificate and key (`key_rotation_failed`)"), "{reason}");
    assert_eq!(run.hosts(), ["rolled_back"]);
    assert_eq!(fleet.front_served(0), before);
}
