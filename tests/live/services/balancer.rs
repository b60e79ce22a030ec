//! A load balancer where a host is dialled: answers are another host's, as often as not.

use std::net::SocketAddr;
use std::process::Command;

use certwave::lab::Process;

use crate::services::others::{free, start};
use crate::support::Fleet;

/// Puts a balancer before both hosts: what the inventory calls a host's port is either host's.
fn hide(fleet: &Fleet) -> Process {
    let servers: Vec<SocketAddr> = fleet.lab.hosts.iter().map(|host| host.nginx.https).collect();
    let fronts: Vec<SocketAddr> = servers.iter().map(|server| free(server.ip())).collect();
    let lines = |word: &str, all: &[SocketAddr]| -> String {
        all.iter()
            .enumerate()
            .map(|(at, one)| format!("  {word} {one}\n").replace("N ", &format!("s{at} ")))
            .collect()
    };
    let text = format!(
        "defaults\n  mode tcp\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n\
         listen all\n  balance random(1)\n{}{}",
        lines("bind", &fronts),
        lines("server N", &servers),
    );
    let folder = fleet.lab.directory();
    std::fs::write(folder.join("balancer.cfg"), text).unwrap();
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(folder.join("balancer.cfg"));
    let process = start("balancer", command, folder, &fronts);
    for (server, front) in servers.iter().zip(&fronts) {
        fleet.edit_inventory(
            &format!("https_port: {}, root: {}", server.port(), root(fleet, *server)),
            &format!("https_port: {}, root: {}", front.port(), root(fleet, *server)),
        );
    }
    // So many in a row are no luck.
    fleet.edit("  timeout: 20s", "  timeout: 4s\n  answers: 20");
    process
}

fn root(fleet: &Fleet, server: SocketAddr) -> String {
    let host = fleet.lab.hosts.iter().find(|host| host.nginx.https == server).unwrap();
    host.root.display().to_string()
}

#[test]
fn a_host_that_is_hidden_by_hosts_with_certificates_of_others_is_not_proven() {
    let fleet = Fleet::start(2);
    let before = fleet.all_served();
    let _balancer = hide(&fleet);
    // Whose certificate the first look shows is chance: where it is the other host's, the host would be refused at once.
    let run = fleet.roll_out(&["--accept", "web01"]).expect(4);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("certwave never issued"), "{reason}");
    assert_eq!(run.hosts()[1], "untouched");
    assert_eq!(fleet.all_served(), before);
}

#[test]
fn a_host_that_is_hidden_by_hosts_with_certificates_of_certwaves_is_not_proven() {
    let fleet = Fleet::start(2);
    fleet.roll_out(&[]).expect(0);
    fleet.roll_out(&["--force", "--limit", "web02"]).expect(0);
    let before = fleet.all_served();
    assert_ne!(before[0], before[1]);
    let _balancer = hide(&fleet);
    let run = fleet.roll_out(&["--force"]).expect(4);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("another certificate of certwave's store is served"), "{reason}");
    assert_eq!(run.hosts()[1], "untouched");
    assert_eq!(fleet.all_served(), before);
}
