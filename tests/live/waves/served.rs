//! `status` without a playbook: whatever hosts serve, by handshakes alone.

use certwave::lab::Break;
use serde_json::Value;

use crate::support::{Fleet, Run};

fn served(fleet: &Fleet, args: &[&str], code: i32) -> Run {
    fleet.run(&[&["status", "--output", "json"], args].concat()).expect(code)
}

#[test]
fn what_hosts_serve_is_listed_without_ssh_and_without_a_playbook() {
    let mut fleet = Fleet::start(2);
    let run = fleet.roll_out(&[]).expect(0);
    fleet.lab.break_canary(Break::Unreachable).unwrap();
    let port = fleet.lab.hosts[0].nginx.https.port().to_string();
    let other = fleet.lab.hosts[1].nginx.https.port().to_string();
    let of = |more: &[&'static str]| -> Vec<String> {
        let all = ["--limit", "web01", "--port", &port];
        all.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let look = |more: &[&'static str], code| {
        let args = of(more);
        served(&fleet, &args.iter().map(String::as_str).collect::<Vec<_>>(), code).last()
    };

    let good = look(&["--ca-file", "roots.pem", "--server-name", "api.lab.test"], 0);
    assert_eq!(good["served"]["fingerprint_sha256"], run.last()["certificate"]["fingerprint_sha256"]);
    assert_eq!((&good["host"], &good["state"]), (&"web01".into(), &"valid".into()));
    assert_eq!((&good["service"], &good["file"]), (&Value::Null, &Value::Null));
    assert_eq!((&good["key_type"], &good["days_left"]), (&"ecdsa-p256".into(), &89.into()));
    assert_eq!(good["names"], serde_json::json!(["api.lab.test"]));
    assert!(good["issuer"].as_str().unwrap().contains("Pebble"), "{good}");
    // Nobody asks for a name, so none can be wrong.
    let unnamed = look(&["--ca-file", "roots.pem"], 0);
    assert_eq!(unnamed["server_name"], Value::Null);
    let untrusted = look(&[], 1);
    assert_eq!((&untrusted["state"], untrusted["error"].is_string()), (&"untrusted".into(), true));
    // The system's roots count as well, and where others do not vouch for it.
    let stranger = certwave::lab::Authority::new("other").unwrap().root_pem().unwrap();
    std::fs::write(fleet.lab.directory().join("stranger.pem"), stranger).unwrap();
    for more in [&[][..], &["--ca-file", "stranger.pem"]] {
        let mut command = fleet.command(&["status", "--output", "json"]);
        command.args(of(more)).env("SSL_CERT_FILE", "roots.pem");
        let run = Run::new(command.output().unwrap()).expect(0);
        assert_eq!(run.last()["state"], "valid", "{more:?}");
    }
    let misnamed = look(&["--ca-file", "roots.pem", "--server-name", "www.lab.test"], 1);
    assert_eq!(misnamed["state"], "wrong_name");

    // Each host has its own port here: of four endpoints, two answer, and those come first.
    let args = ["--port", &port, "--port", &other, "--ca-file", "roots.pem"];
    let states: Vec<Value> =
        served(&fleet, &args, 1).lines().iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["valid", "valid", "unreachable", "unreachable"]);
    let human = fleet.run(&[&["status"][..], &args].concat()).expect(1).stdout;
    assert!(human.ends_with("2 of 4 endpoints are not in order: 2 unreachable (web[01:02])\n"), "{human}");
    served(&fleet, &["playbook.yaml", "--port", &port], 64);
}
