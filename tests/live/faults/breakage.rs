//! Hosts that break, and go back by themselves.

use certwave::lab::Break;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::{Fleet, Run};

/// A canary broken like this stops the rollout; every host serves afterwards what it served before.
fn broken(what: Break) -> Run {
    let mut fleet = Fleet::start(2);
    let before = fleet.all_served();
    fleet.lab.break_canary(what).unwrap();
    let run = fleet.roll_out(&[]).expect(3);
    assert_eq!(run.last()["outcome"], "rolled_back");
    assert_eq!(run.hosts(), ["rolled_back", "untouched"]);
    assert_eq!(run.last()["hosts"][0]["state"], "previous");
    assert_eq!(fleet.all_served(), before);
    run
}

fn reason(run: &Run) -> String {
    run.last()["hosts"][0]["error"].as_str().unwrap().to_owned()
}

/// What is known before the switch is refused before it.
fn refused(what: Break, words: &str) {
    let mut fleet = Fleet::start(2);
    let before = fleet.all_served();
    fleet.lab.break_canary(what).unwrap();
    let run = fleet.roll_out(&[]).expect(1);
    assert_eq!(run.last()["outcome"], "failed");
    assert_eq!(run.hosts(), ["failed", "untouched"]);
    assert!(reason(&run).contains(words), "{}", reason(&run));
    assert!(!run.stdout.contains("\"step\":\"activate\""), "{}", run.stdout);
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_broken_configuration() {
    refused(Break::Config, "nginx does not take its configuration as it is: unknown directive");
}

#[test]
fn a_configuration_that_names_another_certificate() {
    refused(Break::Mismatch, "nginx names no file that the rollout switches");
}

#[test]
fn a_key_that_does_not_fit() {
    let reason = reason(&broken(Break::Key));
    assert!(
        reason.contains("nginx refused the configuration") && reason.contains("key values mismatch"),
        "{reason}"
    );
}

#[test]
fn a_chain_that_is_not_sent() {
    let reason = reason(&broken(Break::Chain));
    assert!(reason.contains("the chain is incomplete: 1 of 2"), "{reason}");
}

#[test]
fn a_canary_that_cannot_be_reached() {
    let mut fleet = Fleet::start(2);
    fleet.lab.break_canary(Break::Unreachable).unwrap();
    let run = fleet.roll_out(&[]).expect(1);
    assert_eq!(run.last()["outcome"], "failed");
    assert_eq!(run.hosts(), ["unreachable", "untouched"]);
}

#[test]
fn a_server_that_dies_in_the_soak_needs_a_person() {
    let fleet = Fleet::with_soak(2, "10m");
    let rollout = fleet.roll_out_until("soak.started");
    fleet.lab.hosts[0].nginx.process.signal(Signal::SIGKILL);
    let run = rollout.end().expect(4);
    assert_eq!(run.last()["outcome"], "needs_attention");
    assert_eq!(run.hosts(), ["rollback_failed", "untouched"]);
    let failed = run.stdout.lines().find(|line| line.contains("wave.failed")).unwrap();
    assert!(failed.contains("\"because\":\"soak\""), "{failed}");
}

/// Its kernel still takes connections, and nobody answers them: no handshake fails before the soak is over.
#[test]
fn a_server_that_hangs_in_the_soak_fails_it() {
    let fleet = Fleet::with_soak(2, "3s");
    let before = fleet.all_served();
    let mut rollout = fleet.roll_out_until("soak.started");
    let nginx = &fleet.lab.hosts[0].nginx.process;
    let workers = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", nginx.id())).unwrap();
    let workers: Vec<Pid> =
        workers.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect();
    assert!(!workers.is_empty());
    let all = |signal: Signal| {
        nginx.signal(signal);
        // A worker that ended by itself needs no signal.
        for worker in &workers {
            let _ = nix::sys::signal::kill(*worker, signal);
        }
    };
    all(Signal::SIGSTOP);
    let judged = rollout.until(|event| event["event"] == "wave.failed" || event["event"] == "wave.passed");
    all(Signal::SIGCONT);
    assert!(judged["event"] == "wave.failed" && judged.to_string().contains("no answer"), "{judged}");
    let run = rollout.end().expect(3);
    assert_eq!(run.last()["outcome"], "rolled_back");
    assert_eq!(run.hosts()[1], "untouched");
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_lapsed_certificate_is_never_put_back() {
    let fleet = Fleet::start(1);
    let authority = certwave::lab::Authority::new("lapsed").unwrap();
    let (certificate, key) = authority.issue(&["api.lab.test"], -60, -1).unwrap();
    let ssl = fleet.lab.hosts[0].root.join("etc/ssl");
    std::fs::write(ssl.join("api.crt"), &certificate).unwrap();
    std::fs::write(ssl.join("api-leaf.crt"), &certificate).unwrap();
    std::fs::write(ssl.join("api.key"), &key).unwrap();
    let before = fleet.served(0);
    fleet.lab.hosts[0].nginx.process.signal(Signal::SIGHUP);
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(60), || fleet.served(0) != before));
    // The new certificate is served, but nobody can prove it by this name.
    fleet.edit("  timeout: 20s", "  timeout: 1s\n  server_name: other.lab.test");
    let run = fleet.roll_out(&[]).expect(4);
    assert_eq!(run.hosts(), ["rollback_failed"]);
    let reason = reason(&run);
    assert!(reason.contains("is not put back"), "{reason}");
    assert_eq!(run.last()["certificate"]["fingerprint_sha256"], fleet.served(0).as_str());
}

/// What is tested before its reload leaves nobody at the port, and the next test mends that: it is not waited for as long as for one that is late.
#[test]
fn a_server_that_answers_nobody_after_its_reload_goes_back_at_once() {
    let fleet = Fleet::start(1);
    let before = fleet.all_served();
    let nginx = &fleet.lab.hosts[0].nginx;
    let (https, elsewhere) = (nginx.https, certwave::lab::free_port(nginx.https.ip()).unwrap());
    let (here, there) = (format!("listen {https} ssl"), format!("listen {}:{elsewhere} ssl", https.ip()));
    let config = nginx.config.display();
    let script = fleet.lab.directory().join("test.sh");
    let turn = format!(
        "if grep -q '{here}' {config}; then sed -i 's/{here}/{there}/' {config}; else sed -i 's/{there}/{here}/' {config}; fi\n"
    );
    std::fs::write(&script, turn).unwrap();
    fleet.edit("nginx: {prefix", &format!("nginx: {{test: \"sh {}\", prefix", script.display()));
    fleet.edit("timeout: 20s", "timeout: 120s");
    let begun = std::time::Instant::now();
    let run = fleet.roll_out(&[]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back"]);
    assert!(reason(&run).contains("no answer: "), "{}", reason(&run));
    // Far less than the time-out, however slow the machine.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    assert_eq!(fleet.all_served(), before);
}

/// Each handshake fails by an alert, and nginx's error log alone knows why: a key that a variable names is not there.
#[test]
fn a_server_whose_handshakes_all_fail_after_its_reload_goes_back_and_its_own_log_says_why() {
    let fleet = Fleet::start(1);
    let before = fleet.all_served();
    let host = &fleet.lab.hosts[0];
    let (ssl, key) = (host.root.join("etc/ssl"), host.root.join("named.key"));
    std::os::unix::fs::symlink(ssl.join("api.key"), &key).unwrap();
    let config = std::fs::read_to_string(&host.nginx.config).unwrap();
    let named = |name: &str, file: &std::path::Path| {
        format!("map $ssl_server_name ${name} {{ default {}; }}\n", file.display())
    };
    let maps = format!("http {{\n{}{}", named("named_crt", &ssl.join("api.crt")), named("named_key", &key));
    let lines = config.lines().map(|line| match line.trim() {
        line if line.starts_with("ssl_certificate_key") => "ssl_certificate_key $named_key;".to_owned(),
        line if line.starts_with("ssl_certificate ") => "ssl_certificate $named_crt;".to_owned(),
        _ => line.to_owned(),
    });
    let config = lines.collect::<Vec<_>>().join("\n").replacen("http {", &maps, 1);
    std::fs::write(&host.nginx.config, config).unwrap();
    host.nginx.process.signal(Signal::SIGHUP);
    // The first test after the switch takes the key away, and the next one brings it back.
    let script = fleet.lab.directory().join("test.sh");
    let (here, gone) = (key.display(), key.with_extension("gone"));
    let turn =
        format!("if [ -L '{here}' ]; then mv '{here}' '{0}'; else mv '{0}' '{here}'; fi\n", gone.display());
    std::fs::write(&script, turn).unwrap();
    fleet.edit("nginx: {prefix", &format!("nginx: {{test: \"sh {}\", prefix", script.display()));
    fleet.edit("timeout: 20s", "timeout: 120s");
    let begun = std::time::Instant::now();
    let run = fleet.roll_out(&[]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back"]);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let reason = reason(&run);
    assert!(reason.contains("; the log of nginx since the switch: `"), "{reason}");
    assert!(reason.contains("named.key") && reason.contains("No such file"), "{reason}");
    assert_eq!(fleet.all_served(), before);
}
