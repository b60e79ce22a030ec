//! Plans of every kind, from recorded facts: as they are read.

use regex::Regex;
use serde_json::{Value, json};

use crate::{INVENTORY, PLAYBOOK, run};

fn leaf() -> Value {
    json!({
        "fingerprint_sha256": "2c6022e4".repeat(8), "serial": "0a", "names": ["api.example.com"], "issuer": "CN=Old CA",
        "key_type": "ecdsa-p256", "not_after": "2099-01-01T00:00:00Z",
    })
}

/// A host as `--record` writes it down.
fn host(name: &str) -> Value {
    json!({"host": name, "found": {
        "clock_ahead": 0, "live": "20261101T000000Z-2c6022e4", "on_disk": [leaf()], "proven": false, "staged": false,
        "previous": {"version": "20261101T000000Z-2c6022e4", "leaves": [], "not_after": "2099-01-01T00:00:00Z"},
        "armed": false, "undone": null, "links": [], "problems": [], "reads": [],
        "served": [{"service": "nginx", "leaf": leaf(), "reason": null, "endpoint": {"address": "192.0.2.1", "port": 443,
            "server_name": "api.example.com", "via": "direct", "key": null, "starttls": null}}],
    }})
}

fn plan(playbook: &str, facts: &[Value], args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("playbook.yaml", playbook);
    write("hosts.yaml", INVENTORY);
    write("facts.jsonl", &facts.iter().map(|fact| format!("{fact}\n")).collect::<String>());
    let plan =
        ["plan", "playbook.yaml", "-i", "hosts.yaml", "--facts", "facts.jsonl", "--state", "sqlite:state"];
    let (code, stdout, stderr) = run(folder.path(), &[&plan, args].concat());
    // A rollout that is sure to fail is no success.
    assert_eq!(code, i32::from(stdout.contains("would stop")), "{stdout}{stderr}");
    let stdout =
        Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ").unwrap().replace_all(&stdout, "TIME").into_owned();
    Regex::new(r"\d+ days left").unwrap().replace_all(&stdout, "N days left").into_owned()
}

#[test]
fn a_plan_in_short() {
    let facts = [host("web01.x"), host("web02.x"), host("web03.x")];
    insta::assert_snapshot!(plan(PLAYBOOK, &facts, &[]), @"
    api.example.com: a new certificate is issued: there is none yet
      next      ecdsa-p256 for api.example.com
      issuer    letsencrypt
      limit     Let's Encrypt issues 5 certificates of exactly these names in 7 days; with this one it is 1

    wave `canary`: 1 host, none may fail, soaks 5m, watched by handshakes
      web01.x  upload, switch, reload nginx, prove; back to 20261101T000000Z-2c6022e4, valid until 2099-01-01

    wave `production`: 2 hosts, 2 at once, none may fail
      web[02:03].x  upload, switch, reload nginx, prove; back to 20261101T000000Z-2c6022e4, valid until 2099-01-01

    plan: 3 hosts: 3 to change. If started now, finishes between TIME and TIME (5m2s to 16m).
    ");
}

#[test]
fn a_plan_in_full() {
    let playbook = PLAYBOOK.replace("soak: 5m}", "soak: 5m, approval: required}");
    let facts = [host("web01.x"), host("web02.x"), host("web03.x")];
    insta::assert_snapshot!(plan(&playbook, &facts, &["-v", "--limit", "web01.x"]), @"
    api.example.com: a new certificate is issued: there is none yet
      next      ecdsa-p256 for api.example.com
      issuer    letsencrypt
      limit     Let's Encrypt issues 5 certificates of exactly these names in 7 days; with this one it is 1

    wave `canary`: 1 host, none may fail, soaks 5m, watched by handshakes, waits for an approval
      web01.x (web01.x:22)
        change    upload, switch, reload nginx, prove
        serves    nginx at 192.0.2.1:443: 2c6022e4, ecdsa-p256, by CN=Old CA, until 2099-01-01 (N days left)
        on disk   2c6022e4, ecdsa-p256, by CN=Old CA, until 2099-01-01 (N days left)
        files     /etc/certwave/archive/api.example.com/VERSION/: certificate, chain and key (owner and mode of the file that is replaced, else root and 0600)
        files     /etc/certwave/live/api.example.com: a link to it
        runs      /usr/sbin/nginx -t
        runs      /usr/sbin/nginx -s reload
        proves    nginx at web01.x:443 as api.example.com: 3 answers in a row
        dead man  goes back by itself (by reload) 4m30s after the switch, unless confirmed
        back      20261101T000000Z-2c6022e4, valid until 2099-01-01

    plan: 1 host: 1 to change. If started now, finishes between TIME and TIME (5m1s to 10m30s, approvals not counted).
    ");
}

#[test]
fn a_plan_of_a_fleet_in_trouble() {
    let mut two = host("web02.x");
    two["found"]["problems"] = json!(["there is no room: 12 KiB are free in /etc/certwave, 64 are needed"]);
    two["found"]["clock_ahead"] = json!(-120);
    let facts = [
        host("web01.x"),
        two,
        json!({"host": "web03.x", "missed": {"reason": "timed out", "unreachable": true}}),
    ];
    insta::assert_snapshot!(plan(PLAYBOOK, &facts, &[]), @"
    api.example.com: a new certificate is issued: there is none yet
      next      ecdsa-p256 for api.example.com
      issuer    letsencrypt
      limit     Let's Encrypt issues 5 certificates of exactly these names in 7 days; with this one it is 1

    wave `canary`: 1 host, none may fail, soaks 5m, watched by handshakes
      web01.x  switched, and put back again when a wave stops; back to 20261101T000000Z-2c6022e4, valid until 2099-01-01

    wave `production`: 2 hosts, 2 at once, none may fail
      web02.x  fails before anything live is changed: there is no room: 12 KiB are free in /etc/certwave, 64 are needed
      web03.x  away: timed out

    risks:
      wave `production` would stop: 1 of 2 hosts failed, 0 may fail
      web03.x: does not answer: timed out
      web02.x: would fail before anything live is changed: there is no room: 12 KiB are free in /etc/certwave, 64 are needed
      web02.x: its clock is 120 s behind

    plan: 3 hosts: 1 to switch and put back again, 1 to fail, 1 away. If started now, finishes between TIME and TIME (5m1s to 14m).
    ");
    let playbook = PLAYBOOK.replace("hosts: all}]", "hosts: all, max_failures: 100%}]");
    insta::assert_snapshot!(plan(&playbook, &facts, &[]), @"
    api.example.com: a new certificate is issued: there is none yet
      next      ecdsa-p256 for api.example.com
      issuer    letsencrypt
      limit     Let's Encrypt issues 5 certificates of exactly these names in 7 days; with this one it is 1

    wave `canary`: 1 host, none may fail, soaks 5m, watched by handshakes
      web01.x  switched, and put back again when a wave stops; back to 20261101T000000Z-2c6022e4, valid until 2099-01-01

    wave `production`: 2 hosts, 2 at once, 2 may fail
      web02.x  fails before anything live is changed: there is no room: 12 KiB are free in /etc/certwave, 64 are needed
      web03.x  away: timed out

    risks:
      wave `production` would stop: not one of its hosts could be proven
      web03.x: does not answer: timed out
      web02.x: would fail before anything live is changed: there is no room: 12 KiB are free in /etc/certwave, 64 are needed
      web02.x: its clock is 120 s behind

    plan: 3 hosts: 1 to switch and put back again, 1 to fail, 1 away. If started now, finishes between TIME and TIME (5m26s to 16m25s).
    ");
}

#[test]
fn what_was_not_written_down_is_away() {
    let text = plan(PLAYBOOK, &[host("web01.x")], &[]);
    assert!(
        text.contains("web[02:03].x: does not answer: nothing of it is written down in `facts.jsonl`"),
        "{text}"
    );
}
