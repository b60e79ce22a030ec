//! Listeners that do not take every client: each is refused before anything changes, with the key of the playbook that
//! helps, and verified with it.

mod certificates;
mod paced;
mod protocols;
mod proxied;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use certwave::lab::{EnvoyServer, FrontServer, HaproxyServer, Process, wait_for};

use crate::services::haproxy::{haproxy, reload};
use crate::support::{Fleet, Run};

/// Without the key: plan and rollout refuse the host in the same words, and nothing of it is switched.
fn refused(fleet: &Fleet, host: &str, words: &str) -> Run {
    let args = ["plan", "playbook.yaml", "--limit", host, "--output", "json"];
    let plan = fleet.run(&args).expect(1).lines();
    let planned = plan.iter().find(|line| line["event"] == "plan.host").unwrap();
    assert!(
        planned["risks"].as_array().unwrap().iter().any(|risk| risk["risk"] == "client_refused"),
        "{planned}"
    );
    assert!(planned["reason"].as_str().unwrap().contains(words), "{planned}");
    for more in [&[][..], &["--accept", host]] {
        let run = fleet.roll_out(&[&["--limit", host], more].concat()).expect(1);
        let error = run.error(0);
        assert!(error.contains("refused before the switch") && error.contains(words), "{error}");
        assert!(!error.contains("--accept"), "that would not help: {error}");
        let began = |line: &&serde_json::Value| line["event"] == "step.started" && line["step"] == "activate";
        assert!(!run.lines().iter().any(|line| began(&line)), "{}", run.stdout);
        assert!(
            !fleet.lab.directory().join("hosts").join(host).join("etc/certwave/live/api.lab.test").exists()
        );
    }
    fleet.run(&["status", "playbook.yaml", "--limit", host, "--output", "json"])
}

/// With the key: the rollout, its way back, and whatever is asked afterwards.
fn taken(fleet: &Fleet, host: &str, key: &str) {
    let port = "  port: \"{{ https_port }}\"\n";
    fleet.edit(port, &format!("{port}  {key}\n"));
    let before = fleet.roll_out(&["--limit", host]).expect(0);
    assert_eq!(before.hosts(), ["changed"]);
    assert_eq!(before.last()["hosts"][0]["failed_handshakes"], 0);
    let verified = fleet.run(&["verify", "playbook.yaml", "--limit", host, "--output", "json"]).expect(0);
    assert!(verified.stdout.contains(&before.leaf()), "{}", verified.stdout);
    fleet.run(&["status", "playbook.yaml", "--limit", host]).expect(0);
    fleet.run(&["rollout", "playbook.yaml", "--yes", "--force", "--limit", host]).expect(0);
    fleet.run(&["rollback", "playbook.yaml", "--yes", "--limit", host]).expect(0);
    let again = fleet.run(&["status", "playbook.yaml", "--limit", host, "--output", "json"]).expect(0);
    assert!(again.stdout.contains(&before.leaf()), "{}", again.stdout);
}

/// HAProxy with something else in its configuration.
fn configured<'f>(fleet: &'f Fleet, from: &str, to: &str) -> &'f HaproxyServer {
    let haproxy = haproxy(fleet);
    crate::support::edit(&haproxy.config, from, to);
    reload(haproxy);
    haproxy
}

/// nginx with something else in its configuration; its old worker is gone.
fn nginx_configured(fleet: &Fleet, from: &str, to: &str) {
    let nginx = &fleet.lab.hosts[0].nginx;
    crate::support::edit(&nginx.config, from, to);
    let master = std::fs::read_to_string(nginx.prefix.join("logs/nginx.pid")).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", master.trim());
    let workers = || -> Vec<String> {
        let text = std::fs::read_to_string(&children).unwrap();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let before = workers();
    nginx.process.signal(nix::sys::signal::Signal::SIGHUP);
    assert!(wait_for(Duration::from_secs(60), || {
        let now = workers();
        !now.is_empty() && now.iter().all(|worker| !before.contains(worker))
    }));
}

/// Envoy with something else in its configuration, which it reads at its start alone.
fn envoy_configured(fleet: &mut Fleet, from: &str, to: &str) {
    let FrontServer::Envoy(envoy) = &mut fleet.lab.fronts[0].server else {
        panic!("the first front is Envoy")
    };
    let process = format!("/proc/{}", envoy.process.id());
    let said = std::fs::read_to_string(format!("{process}/cmdline")).unwrap();
    let folder = std::fs::read_link(format!("{process}/cwd")).unwrap();
    let mut words = said.trim_end_matches('\0').split('\0');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir(&folder);
    envoy.process.stop();
    crate::support::edit(&folder.join("envoy.yaml"), from, to);
    restart(envoy, &command, &folder);
}

fn restart(envoy: &mut EnvoyServer, command: &Command, folder: &Path) {
    envoy.process = Process::start("envoy", command, &folder.join("again.log")).unwrap();
    envoy.process.wait_for_port(envoy.https).unwrap();
}
