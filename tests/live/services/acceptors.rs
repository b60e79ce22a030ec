//! Two processes that take connections at one port: a rollout would reach one of them, and clients both.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use certwave::lab::wait_for;

use crate::support::Fleet;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn number(path: &PathBuf) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Processes that these files name, ended when dropped.
struct Daemons([PathBuf; 2]);

impl Drop for Daemons {
    fn drop(&mut self) {
        for process in self.0.iter().filter_map(number) {
            let _ = Command::new("kill").args(["-TERM", &process]).status();
        }
    }
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), process]).status().unwrap().success());
}

#[test]
fn a_half_finished_upgrade_of_nginx_is_named_before_anything_is_changed() {
    let mut fleet = Fleet::start(1);
    // An upgrade takes an nginx that is a daemon, and its program by its whole path.
    let nginx = &mut fleet.lab.hosts[0].nginx;
    nginx.process.stop();
    let logs = nginx.prefix.join("logs");
    let [current, old] = ["nginx.pid", "nginx.pid.oldbin"].map(|name| logs.join(name));
    let _daemons = Daemons([current.clone(), old.clone()]);
    let mut command = Command::new(certwave::service::Nginx::DEFAULT_BINARY);
    command.arg("-p").arg(&nginx.prefix).arg("-c").arg(&nginx.config).arg("-e").arg(logs.join("error.log"));
    assert!(command.status().unwrap().success());
    assert!(wait_for(PATIENCE, || number(&current).is_some()));
    let first = number(&current).unwrap();
    let before = fleet.served(0);
    signal("USR2", &first);
    assert!(wait_for(PATIENCE, || number(&old).is_some() && number(&current).is_some_and(|pid| pid != first)));
    let plan = fleet.run(&["plan", "playbook.yaml", "--output", "json"]);
    assert!(plan.stdout.contains(&format!("process {first} (`nginx`) takes connections")), "{}", plan.stdout);
    let reason = fleet.roll_out(&[]).expect(1).error(0);
    assert!(reason.contains("finish its upgrade"), "{reason}");
    assert_eq!(fleet.served(0), before);

    signal("QUIT", &number(&current).unwrap());
    assert!(wait_for(PATIENCE, || number(&current).as_ref() == Some(&first) && number(&old).is_none()));
    let wanted = fleet.roll_out(&[]).expect(0).leaf();
    assert_eq!(fleet.served(0), wanted);
}

#[test]
fn a_process_that_shares_a_port_with_haproxy_is_named_before_anything_is_changed() {
    let fleet = Fleet::mixed(1, 1, 0);
    let https = fleet.lab.fronts[0].server.https();
    let before = fleet.front_served(0);
    let listen = "import socket, sys, time\ns = socket.socket()\n\
                  s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n\
                  s.bind((sys.argv[1], int(sys.argv[2])))\ns.listen(0)\nprint(flush=True)\ntime.sleep(600)";
    let mut command = Command::new("python3");
    command.args(["-c", listen, &https.ip().to_string(), &https.port().to_string()]).stdout(Stdio::piped());
    let mut rogue = command.spawn().unwrap();
    BufReader::new(rogue.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let run = fleet.roll_out(&["--limit", "lb"]);
    rogue.kill().unwrap();
    rogue.wait().unwrap();
    let reason = run.expect(1).error(0);
    let named = format!("process {} (`python3", rogue.id());
    assert!(
        reason.contains(&named) && reason.contains("a reload of `haproxy` does not reach it"),
        "{reason}"
    );
    assert_eq!(fleet.front_served(0), before);
    let wanted = fleet.roll_out(&["--limit", "lb"]).expect(0).leaf();
    assert_eq!(fleet.front_served(0), wanted);
}
