//! In which way each server takes the certificate, as plans and events name it.

use crate::support::{Fleet, Run};

/// How each service of the fleet's hosts took the certificate, by the events.
fn ways(run: &Run) -> Vec<(String, String)> {
    let mut ways = Vec::new();
    for line in run.lines().iter().filter(|line| line["result"] == "activated") {
        for way in line["ways"].as_array().unwrap() {
            let word = |key: &str| way[key].as_str().unwrap().to_owned();
            ways.push((word("service"), word("way")));
        }
    }
    ways.sort();
    ways
}

fn planned(fleet: &Fleet, args: &[&str]) -> Vec<(String, String)> {
    let run = fleet.run(&[&["plan", "playbook.yaml", "--output", "json"], args].concat()).expect(0);
    let mut ways = Vec::new();
    for host in run.lines().iter().filter(|line| line["event"] == "plan.host") {
        for service in host["services"].as_array().unwrap() {
            let word = |key: &str| service[key].as_str().unwrap().to_owned();
            ways.push((word("service"), word("way")));
        }
    }
    ways.sort();
    ways
}

fn named(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(service, way)| ((*service).to_owned(), (*way).to_owned())).collect()
}

#[test]
fn runtime_api_sds_and_reload_are_told_apart_and_so_is_a_certificate_that_is_too_long() {
    let fleet = Fleet::mixed(1, 1, 1);
    let usual = named(&[("envoy", "sds"), ("haproxy", "runtime_api"), ("nginx", "reload")]);
    assert_eq!(planned(&fleet, &[]), usual);
    assert_eq!(ways(&fleet.roll_out(&[]).expect(0)), usual);
    let text = fleet.run(&["plan", "playbook.yaml", "--force", "-v"]).expect(0).stdout;
    for words in [
        "upload, switch, reload nginx, prove",
        "upload, switch, haproxy by runtime API, prove",
        "upload, switch, envoy by SDS, prove",
    ] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    // HAProxy's dead-man switch is a reload like nginx's; only Envoy's is not.
    assert_eq!(text.matches("goes back by itself (by reload)").count(), 2, "{text}");
    assert_eq!(text.matches("goes back by itself (by SDS)").count(), 1, "{text}");

    // What is too long for the buffer is known as soon as it is issued.
    fleet.edit("    haproxy:\n", "    haproxy:\n      bufsize: 2048\n");
    let reloaded = named(&[("haproxy", "reload")]);
    assert_eq!(ways(&fleet.roll_out(&["--force", "--limit", "lb"]).expect(0)), reloaded);
    assert_eq!(planned(&fleet, &["--limit", "lb"]), reloaded);
}
