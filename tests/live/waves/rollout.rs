//! The main job, and what follows from it.

use serde_json::Value;

use crate::support::Fleet;

#[test]
fn a_certificate_is_issued_once_and_proven_on_every_host() {
    let fleet = Fleet::start(3);
    let old = fleet.all_served();
    let run = fleet.roll_out(&[]).expect(0);
    let last = run.last();
    assert_eq!(last["outcome"], "succeeded");
    let fingerprint = last["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
    for host in last["hosts"].as_array().unwrap() {
        assert_eq!((&host["outcome"], &host["state"]), (&"changed".into(), &"new".into()), "{host}");
        assert_eq!(
            (&host["failed_handshakes"], &host["dropped_connections"]),
            (&0.into(), &0.into()),
            "{host}"
        );
    }
    assert_eq!(fleet.all_served(), [fingerprint.as_str(); 3]);
    assert!(!old.contains(&fingerprint));

    // Done is done: nothing is issued and nothing is touched.
    let again = fleet.roll_out(&[]).expect(0);
    assert_eq!(again.last()["outcome"], "unchanged");
    assert_eq!(again.last()["certificate"]["fingerprint_sha256"], fingerprint.as_str());
    assert_eq!(again.hosts(), ["unchanged"; 3]);

    // Forced, and only somewhere.
    let forced = fleet.roll_out(&["--force", "--limit", "web01"]).expect(0);
    assert_eq!(forced.hosts(), ["changed"]);
    assert_ne!(fleet.served(0), fingerprint);
    assert_eq!(fleet.served(1), fingerprint);

    // Which `status` finds, until the others have it too.
    let status = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(1);
    let states: Vec<Value> = status
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone())
        .collect();
    assert_eq!(states, ["new", "known", "known"]);
    let rest = fleet.roll_out(&[]).expect(0);
    assert_eq!(rest.hosts(), ["unchanged", "changed", "changed"]);
    fleet.run(&["status", "playbook.yaml"]).expect(0);

    // And the record of it all.
    let history = fleet.run(&["history", "--output", "json"]).expect(0);
    assert_eq!(history.stdout.lines().count(), 4);
    let show = fleet.run(&["show", "last"]).expect(0);
    assert!(show.stdout.contains("web03: proven"), "{}", show.stdout);
}

#[test]
fn with_the_sealing_key_elsewhere_the_state_alone_opens_nothing() {
    let fleet = Fleet::start(1);
    let key = fleet.lab.directory().join("seal.pem");
    let key = ["--seal-key", key.to_str().unwrap()];
    fleet.roll_out(&key).expect(0);
    // To look at hosts no secret is needed; to change them it is.
    fleet.run(&["status", "playbook.yaml"]).expect(0);
    let served = fleet.all_served();
    for more in [&[][..], &["--force"]] {
        let run = fleet.roll_out(more).expect(1);
        assert!(run.stderr.contains("there is no sealing key"), "{}", run.stderr);
        assert!(run.stderr.contains("--seal-key FILE"), "{}", run.stderr);
    }
    assert_eq!(fleet.all_served(), served);
    assert_eq!(fleet.roll_out(&key).expect(0).last()["outcome"], "unchanged");
}

#[test]
fn proof_through_ssh_and_a_service_by_commands() {
    let fleet = Fleet::start(2);
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  via: ssh");
    fleet.edit(
        "    nginx: {prefix: \"{{ root }}/nginx\", config: \"{{ root }}/nginx/nginx.conf\"}",
        "    command:\n      test: /usr/sbin/nginx -t -p {{ root }}/nginx -c {{ root }}/nginx/nginx.conf\n      \
         reload: kill -HUP $(cat {{ root }}/nginx/logs/nginx.pid)",
    );
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    let fingerprint = run.last()["certificate"]["fingerprint_sha256"].clone();
    assert_eq!(fingerprint, fleet.served(0).as_str());
}

#[test]
fn rsa_by_our_own_listener() {
    let fleet = Fleet::start(1);
    let port = certwave::lab::free_port("127.0.0.1".parse().unwrap()).unwrap();
    // Pebble looks at the last host's port 80; here certwave itself answers there instead of nginx.
    let config = std::fs::read_to_string(&fleet.lab.hosts[0].nginx.config).unwrap();
    let listen = config.lines().rev().find(|line| line.contains("listen")).unwrap().trim();
    let address = listen.trim_start_matches("listen ").trim_end_matches(';').to_owned();
    let moved = config.replace(&format!("listen {address};"), &format!("listen 127.0.0.1:{port};"));
    std::fs::write(&fleet.lab.hosts[0].nginx.config, moved).unwrap();
    fleet.lab.hosts[0].nginx.process.signal(nix::sys::signal::Signal::SIGHUP);
    let free = || std::net::TcpListener::bind(&address).is_ok();
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(30), free));
    fleet.edit(
        "{push: \"web[-1]\", webroot: \"{{ root }}/nginx/www\"}",
        &format!("{{listen: \"{address}\"}}"),
    );
    fleet.edit("domains: [api.lab.test]", "domains: [api.lab.test]\n  key: rsa-2048");
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.last()["outcome"], "succeeded");
    let status = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(0);
    assert_eq!(status.last()["key_type"], "rsa-2048");
}

/// What goes to standard error is a log, which may be JSON; what goes to standard output stays for people.
#[test]
fn its_log_may_be_json() {
    let fleet = Fleet::start(1);
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes", "--log-format", "json"]).expect(0);
    let events: Vec<String> = run
        .stderr
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            assert!(object["time"].is_string(), "{line}");
            object["event"].as_str().unwrap().to_owned()
        })
        .collect();
    for event in ["remark", "wave.started", "step.finished", "wave.passed"] {
        assert!(events.iter().any(|one| one == event), "no {event} in {events:?}");
    }
    assert!(run.stdout.contains("succeeded: 1 of 1 host serve"), "{}", run.stdout);
    fleet.edit("port: \"{{ https_port }}\"", "port: 1");
    let failed =
        fleet.run(&["rollout", "playbook.yaml", "--yes", "--force", "--log-format", "json"]).expect(1);
    let last: serde_json::Value = serde_json::from_str(failed.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"error".into(), &1.into()), "{last}");
}
