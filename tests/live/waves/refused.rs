//! What a plan knows, a rollout refuses before the switch; a person may let it repair an outage.

use std::time::Duration;

use certwave::lab::{Break, NginxOptions, NginxServer, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Fleet, Run};

/// Plan and rollout say the same of a host, and nothing there is switched. The plan is sure to fail.
fn refused(fleet: &Fleet, host: usize, risk: &str, words: &str) -> Run {
    let before = fleet.all_served();
    let plan = fleet.run(&["plan", "playbook.yaml", "--force", "--output", "json"]).expect(1).lines();
    let line = &plan.iter().filter(|line| line["event"] == "plan.host").collect::<Vec<_>>()[host];
    assert!(line["risks"].as_array().unwrap().iter().any(|one| one["risk"] == risk), "{line}");
    assert_eq!(line["change"], "fails", "{line}");
    let run = fleet.roll_out(&["--force"]);
    let of_host = run.last()["hosts"][host].clone();
    let error = of_host["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("refused before the switch") && error.contains(words), "{}", run.stdout);
    assert_eq!(
        (line["reason"].as_str(), &of_host["outcome"]),
        (Some(error.as_str()), &Value::from("failed"))
    );
    assert!(
        !steps(&run, of_host["host"].as_str().unwrap()).contains(&"activate".to_owned()),
        "{}",
        run.stdout
    );
    assert_eq!(fleet.all_served(), before);
    run
}

/// The steps that began on a host.
fn steps(run: &Run, host: &str) -> Vec<String> {
    let of_host =
        run.lines().into_iter().filter(|line| line["event"] == "step.started" && line["host"] == host);
    of_host.map(|line| line["step"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_port_that_refuses_connections() {
    let fleet = Fleet::start(1);
    fleet.edit("port: \"{{ https_port }}\"", "port: 1");
    let run = refused(&fleet, 0, "no_handshake", "TLS handshake fails now: Connection refused");
    assert_eq!((run.code, run.hosts()), (1, vec!["failed".to_owned()]));
    assert_eq!(run.last()["outcome"], "failed");
}

/// There is nothing to go back to on a new host: all the more is it seen before the switch that nobody would reload.
#[test]
fn a_new_host_whose_nginx_does_not_run() {
    let mut fleet = Fleet::start(2);
    fleet.lab.hosts[0].nginx.process.stop();
    assert!(wait_for(Duration::from_secs(60), || {
        std::net::TcpStream::connect(fleet.lab.hosts[0].nginx.https).is_err()
    }));
    let run = fleet.roll_out(&[]).expect(1);
    let error = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("nginx does not run") && error.contains("--accept HOST"), "{error}");
    assert!(!steps(&run, "web01").contains(&"activate".to_owned()), "{}", run.stdout);
}

/// It is known before that such a server would go on to serve what it serves.
#[test]
fn a_server_that_reads_another_file_for_the_name() {
    let fleet = Fleet::start(1);
    let first = fleet.roll_out(&[]).expect(0);
    let host = &fleet.lab.hosts[0];
    let ssl = host.root.join("etc/ssl");
    for kind in ["crt", "key"] {
        std::fs::copy(ssl.join(format!("api.{kind}")), ssl.join(format!("copy.{kind}"))).unwrap();
    }
    let second = fleet.roll_out(&["--force"]).expect(0);
    assert_eq!(fleet.served(0), second.leaf());
    let path = host.nginx.prefix.join("nginx.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    let port = certwave::lab::free_port(host.nginx.https.ip()).unwrap();
    let also = format!(
        "http {{\n server {{ listen {}:{port} ssl; ssl_certificate {ssl}/api.crt; ssl_certificate_key {ssl}/api.key; }}\n",
        host.nginx.https.ip(),
        ssl = ssl.display()
    );
    let copies = text.replace("/api.crt", "/copy.crt").replace("/api.key", "/copy.key");
    std::fs::write(&path, copies.replacen("http {\n", &also, 1)).unwrap();
    // Until its old worker is gone, either may answer.
    let master = std::fs::read_to_string(host.nginx.prefix.join("logs/nginx.pid")).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", master.trim());
    let workers = || -> Vec<String> {
        let text = std::fs::read_to_string(&children).unwrap();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let before = workers();
    host.nginx.process.signal(Signal::SIGHUP);
    assert!(wait_for(Duration::from_secs(60), || {
        let now = workers();
        !now.is_empty() && now.iter().all(|worker| !before.contains(worker))
    }));
    assert_eq!(fleet.served(0), first.leaf());
    refused(&fleet, 0, "still_reads", "another certificate is served, for api.lab.test");
}

#[test]
fn an_endpoint_that_is_somebody_elses() {
    let fleet = Fleet::start(2);
    let host = &fleet.lab.hosts[0];
    let ssl = host.root.join("etc/ssl");
    let options = NginxOptions {
        certificate: ssl.join("other.crt"),
        key: ssl.join("other.key"),
        address: host.nginx.https.ip(),
        http_port: certwave::lab::free_port(host.nginx.https.ip()).unwrap(),
        extra: String::new(),
    };
    let other = NginxServer::start(&host.root.join("in-front"), &options).unwrap();
    fleet.edit_inventory(
        &format!("https_port: {}", host.nginx.https.port()),
        &format!("https_port: {}", other.https.port()),
    );
    refused(&fleet, 0, "foreign", "another certificate is served, for other.lab.test");
    // What the configuration of the server names is no stranger: it is to be switched by the links.
    let fleet = Fleet::start(1);
    fleet.roll_out(&[]).expect(0);
    fleet.roll_out(&["--force"]).expect(0);
}

/// What another tool put at the paths that are switched is not foreign; nor is a version from before, which a server still has
/// since it was not reloaded.
#[test]
fn what_is_at_the_paths_or_of_the_store_may_be_replaced() {
    let fleet = Fleet::start(1);
    let root = &fleet.lab.hosts[0].root;
    let (ssl, before) = (root.join("etc/ssl"), fleet.served(0));
    for (from, to) in [("other.crt", "api.crt"), ("other.key", "api.key")] {
        std::fs::copy(ssl.join(from), ssl.join(to)).unwrap();
    }
    fleet.lab.hosts[0].nginx.process.signal(Signal::SIGHUP);
    assert!(wait_for(Duration::from_secs(60), || fleet.served(0) != before));
    let first = fleet.roll_out(&[]).expect(0);
    let second = fleet.roll_out(&["--force"]).expect(0);

    let live = root.join("etc/certwave/live/api.lab.test");
    std::fs::remove_file(&live).unwrap();
    let version = first.last()["certificate"]["version"].as_str().unwrap().to_owned();
    std::os::unix::fs::symlink(format!("../archive/api.lab.test/{version}"), &live).unwrap();
    assert_eq!(fleet.served(0), second.leaf());
    let third = fleet.roll_out(&["--force"]).expect(0);
    assert_eq!(fleet.served(0), third.leaf());
}

#[test]
fn a_haproxy_whose_configuration_is_broken() {
    let mut fleet = Fleet::mixed(1, 1, 0);
    fleet.lab.break_canary(Break::Haproxy).unwrap();
    let before = fleet.front_served(0);
    let run = refused(&fleet, 1, "broken", "haproxy does not take its configuration as it is");
    assert_eq!((run.code, run.hosts()), (3, vec!["rolled_back".to_owned(), "failed".to_owned()]));
    assert_eq!(fleet.front_served(0), before);
}

/// nginx died, as it does where its key no longer fits: the very rollout that would repair it must be possible.
#[test]
fn an_outage_is_repaired_where_a_person_names_the_host() {
    let fleet = Fleet::start(2);
    fleet.roll_out(&[]).expect(0);
    let host = &fleet.lab.hosts[0];
    // Its certificate on the disk is spoilt, and the server was stopped.
    let live = host.root.join("etc/certwave/live/api.lab.test/fullchain.pem");
    std::fs::write(&live, "spoilt").unwrap();
    let pid = std::fs::read_to_string(host.nginx.prefix.join("logs/nginx.pid")).unwrap();
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    assert!(wait_for(Duration::from_secs(60), || std::net::TcpStream::connect(host.nginx.https).is_err()));
    let run = fleet.roll_out(&["--force"]).expect(1);
    let error = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    for words in ["nginx does not run", "does not take its configuration as it is", "--accept HOST"] {
        assert!(error.contains(words), "{error}");
    }
    fleet.run(&["rollout", "playbook.yaml", "--yes", "--force", "--accept", "web09"]).expect(64);
    let plan =
        fleet.run(&["plan", "playbook.yaml", "--force", "--accept", "web01", "--output", "json"]).expect(0);
    assert_eq!(plan.last()["outcome"], "succeeded");
    let run = fleet.roll_out(&["--force", "--accept", "web01"]).expect(0);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    // What was accepted is repeated at the end, also with `--yes`; what is known only once it is staged as well.
    let risks = run.last()["hosts"][0]["risks"].as_array().unwrap().clone();
    for id in ["not_running", "broken", "no_handshake"] {
        assert!(risks.iter().any(|risk| risk["risk"] == id), "no `{id}` in {risks:?}");
    }
    let stop = std::fs::read_to_string(host.nginx.prefix.join("logs/nginx.pid")).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(stop.trim().parse().unwrap()), Signal::SIGTERM)
        .unwrap();
}

/// Of an accepted host, too, only what it serves after the switch counts. It goes back to how it was: one of its ports
/// answered nobody.
#[test]
fn an_accepted_host_has_to_serve_the_certificate_in_the_end_or_is_as_it_was() {
    let fleet = Fleet::start(1);
    fleet.edit("port: \"{{ https_port }}\"", "port: 1");
    fleet.edit("timeout: 20s", "timeout: 1s");
    let run = fleet.roll_out(&["--accept", "web01"]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back"]);
}

/// Risks with which a rollout goes ahead are told at its end, each once.
#[test]
fn what_does_not_keep_a_rollout_from_a_host_is_told_at_its_end() {
    let fleet = Fleet::start(3);
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes"]).expect(0);
    let notes: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
    assert!(notes[0].starts_with("note: web[01:03]: no server's configuration names `"), "{notes:?}");
    assert!(notes[0].ends_with("is the link needed? (that is web01; the others are alike)"), "{notes:?}");
    assert!(
        notes[1].starts_with("note: web[01:03]: serves a certificate of `CN=certwave lab's old root`"),
        "{notes:?}"
    );
    assert_eq!(notes.len(), 2, "{notes:?}");
    let run = fleet.roll_out(&["--force"]).expect(0);
    assert_eq!(run.last()["hosts"][0]["risks"][0]["risk"], "link_not_named", "{}", run.last());
}
