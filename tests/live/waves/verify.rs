//! `verify`: the proof of the last rollout, run again.

use certwave::lab::Break;
use serde_json::Value;

use crate::support::{Fleet, Run};

fn proven(run: &Run) -> Vec<(String, bool)> {
    let host = |line: Value| (line["host"].as_str().unwrap().to_owned(), line["proven"].as_bool().unwrap());
    run.lines().into_iter().map(host).collect()
}

fn proof(fleet: &Fleet, args: &[&str], code: i32) -> Run {
    fleet.run(&[&["verify"], args, &["--output", "json"]].concat()).expect(code)
}

#[test]
fn what_was_rolled_out_is_proven_again_until_somebody_swaps_it() {
    let mut fleet = Fleet::mixed(3, 1, 1);
    proof(&fleet, &["playbook.yaml"], 1);
    let run = fleet.roll_out(&[]).expect(0);
    let (certificate, rollout) = (&run.last()["certificate"], &run.last()["rollout"]);
    let good = proof(&fleet, &["playbook.yaml"], 0);
    assert_eq!(good.lines().len(), 5);
    for line in good.lines() {
        assert_eq!(
            (&line["event"], &line["rollout"], &line["state"]),
            (&"verify".into(), rollout, &"new".into())
        );
        assert_eq!(line["served"]["fingerprint_sha256"], certificate["fingerprint_sha256"]);
        assert_eq!((&line["key_type"], &line["error"]), (&"ecdsa-p256".into(), &Value::Null));
    }
    let human = fleet.run(&["verify", "last"]).expect(0).stdout;
    let version = certificate["version"].as_str().unwrap();
    let sentence = format!("5 of 5 hosts serve api.lab.test {version}, proven at 5 endpoints");
    assert_eq!(human.lines().collect::<Vec<_>>(), ["web[01:03], lb01, edge01: proven", &sentence]);

    // Somebody swaps a certificate; a dead sshd alone does not matter to a handshake.
    let folder = fleet.lab.hosts[1].root.join("etc/ssl");
    std::fs::remove_file(folder.join("api.crt")).unwrap();
    std::fs::remove_file(folder.join("api.key")).unwrap();
    std::fs::copy(folder.join("other.crt"), folder.join("api.crt")).unwrap();
    std::fs::copy(folder.join("other.key"), folder.join("api.key")).unwrap();
    let before = fleet.served(1);
    fleet.lab.hosts[1].nginx.process.signal(nix::sys::signal::Signal::SIGHUP);
    // The old worker answers for a moment, among answers of the new one.
    let swapped = || (0..20).all(|_| fleet.served(1) != before);
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(60), swapped));
    fleet.lab.break_canary(Break::Unreachable).unwrap();
    let bad = proof(&fleet, &["playbook.yaml"], 1);
    let hosts = ["web01", "web02", "web03", "lb01", "edge01"];
    assert_eq!(proven(&bad), hosts.map(|host| (host.to_owned(), host != "web02")));
    let swapped = &bad.lines()[1];
    assert!(swapped["error"].as_str().unwrap().contains("which certwave never issued"), "{swapped}");
    let human = fleet.run(&["verify", "playbook.yaml"]).expect(1).stdout;
    assert!(human.contains("web02: nginx at ") && human.contains("1 of 5 hosts does not prove"), "{human}");
    proof(&fleet, &["playbook.yaml", "--limit", "web:!web02"], 0);
}

#[test]
fn only_hosts_that_were_left_on_it_are_proven_and_through_ssh_as_it_was() {
    let mut fleet = Fleet::start(3);
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  via: ssh");
    fleet.roll_out(&[]).expect(0);
    let limited = fleet.roll_out(&["--force", "--limit", "web02"]).expect(0);
    let good = proof(&fleet, &["playbook.yaml"], 0);
    assert_eq!(proven(&good), [("web02".to_owned(), true)]);
    let id = limited.last()["rollout"].as_str().unwrap().to_owned();
    assert_eq!(proven(&proof(&fleet, &[&id], 0)), [("web02".to_owned(), true)]);
    proof(&fleet, &["playbook.yaml", "--limit", "web01"], 1);
    proof(&fleet, &["nothing"], 64);

    // One that was rolled back changes nothing about that.
    fleet.lab.break_canary(Break::Chain).unwrap();
    fleet.roll_out(&["--force"]).expect(3);
    assert_eq!(proven(&proof(&fleet, &["playbook.yaml"], 0)), [("web02".to_owned(), true)]);
    fleet.lab.hosts[1].sshd = None;
    let dead = proof(&fleet, &["playbook.yaml"], 1);
    let error = dead.last()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("Connection refused"), "{error}");
}
