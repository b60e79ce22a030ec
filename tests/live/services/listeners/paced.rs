//! Listeners that limit how often one address may connect.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{configured, taken};
use crate::require;
use crate::services::haproxy::ask;
use crate::services::others::{free, start};
use crate::services::starttls::postfix;
use crate::support::Fleet;

const WANTED: &str = "the server limits how often one address may connect, and a rollout connects more often: set `verify: rate: HANDSHAKES/s`";

#[test]
fn haproxy_that_counts_connections_is_dialled_at_the_rate_that_was_given() {
    let fleet = Fleet::mixed(1, 1, 0);
    let limit = "\n  stick-table type ip size 1k expire 30s store conn_rate(10s)\n  tcp-request connection track-sc0 src\n  \
                 tcp-request connection reject if { sc0_conn_rate gt 20 }\n  http-request return";
    let haproxy = configured(&fleet, "\n  http-request return", limit);
    // Each is a rollout of its own, which finds the limit open.
    ask(&haproxy.socket, "clear table tls");
    let error = fleet.roll_out(&["--limit", "lb01"]).expect(1).error(0);
    assert!(error.contains("refused before the switch") && error.contains(WANTED), "{error}");
    assert!(!fleet.lab.directory().join("hosts/lb01/etc/certwave/live/api.lab.test").exists());
    // A proof at such a rate does not fit into the time that the playbook gives it.
    let port = "  port: \"{{ https_port }}\"\n";
    fleet.edit(port, &format!("{port}  rate: 1/s\n"));
    let check = fleet.run(&["check", "playbook.yaml"]).expect(64);
    let slow = "at a `rate` of 1/s, the proof of a host may take 1m4s: 64 handshakes with one address and port, and `timeout` is 20s";
    assert!(check.stderr.contains(slow), "{}", check.stderr);
    fleet.edit("rate: 1/s\n", "rate: 18/10s\n");
    fleet.edit("timeout: 20s", "timeout: 60s");
    ask(&haproxy.socket, "clear table tls");
    let run = fleet.roll_out(&["--limit", "lb01"]).expect(0);
    assert_eq!(run.last()["hosts"][0]["failed_handshakes"], 0);
    // 31 answers in a row: as many as the limit would never let through at once.
    let begun = Instant::now();
    fleet.run(&["verify", "playbook.yaml", "--limit", "lb01"]).expect(0);
    assert!(begun.elapsed() >= Duration::from_secs(16), "{:?}", begun.elapsed());
}

/// A limit that only the switch itself comes to. The server works, and is not rolled back.
#[test]
fn haproxy_that_closes_after_the_switch_is_proven_slowly() {
    let fleet = Fleet::mixed(1, 1, 0);
    let limit = "\n  stick-table type ip size 1k expire 30s store conn_rate(10s)\n  tcp-request connection track-sc0 src\n  \
                 tcp-request connection reject if { sc0_conn_rate gt 120 }\n  http-request return";
    let haproxy = configured(&fleet, "\n  http-request return", limit);
    ask(&haproxy.socket, "clear table tls");
    // Before the switch it is dialled some 45 times, and while it lasts 25 times a second: only the proof is too much.
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  answers: 70");
    let run = fleet.roll_out(&["--limit", "lb01"]).expect(0);
    assert_eq!(run.hosts(), ["changed"]);
    let risks = run.last()["hosts"][0]["risks"].to_string();
    assert!(risks.contains("\"risk\":\"rate_limited\"") && risks.contains("set `verify: rate: "), "{risks}");
    assert_eq!(fleet.front_served(0), run.leaf());
}

/// Before nginx stands what takes a few connections at a time from one address.
#[test]
fn a_proxy_that_counts_what_is_open_is_dialled_one_after_the_other() {
    let fleet = Fleet::start(1);
    let nginx = fleet.lab.hosts[0].nginx.https;
    let front = free(nginx.ip());
    let text = format!(
        "defaults\n  mode tcp\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\nlisten all\n  bind {front}\n  \
         stick-table type ip size 1k expire 30s store conn_cur\n  tcp-request connection track-sc0 src\n  \
         tcp-request connection reject if {{ sc0_conn_cur gt 1 }}\n  server nginx {nginx}\n"
    );
    let folder = fleet.lab.directory();
    std::fs::write(folder.join("front.cfg"), text).unwrap();
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(folder.join("front.cfg"));
    let _front = start("front", command, folder, &[front]);
    fleet.edit_inventory(&format!("https_port: {}", nginx.port()), &format!("https_port: {}", front.port()));
    // The request that is kept in flight is the one connection.
    let error = fleet.roll_out(&[]).expect(1).error(0);
    assert!(error.contains("refused before the switch") && error.contains(WANTED), "{error}");
    taken(&fleet, "web01", "rate: 20/s");
}

/// Postfix says so in words, by SMTP.
#[test]
fn postfix_that_counts_clients_is_dialled_at_the_rate_that_was_given() {
    if !require::root("to start Postfix") {
        return;
    }
    let more = "smtpd_client_connection_rate_limit = 35\nanvil_rate_time_unit = 10s\nsmtpd_client_event_limit_exceptions =\n";
    let (host, _postfix, reload) = postfix(more);
    let fleet = &host.fleet;
    let verify = format!("port: {}, starttls: smtp", host.at.port());
    let service = format!("  - hosts: web\n    command: {reload}\n    verify: {{{verify}}}\n");
    fleet.edit("\ninstall:", &format!("{service}\ninstall:"));
    let error = fleet.roll_out(&[]).expect(1).error(0);
    assert!(error.contains("refused before the switch") && error.contains(WANTED), "{error}");
    assert!(error.contains("too many connections"), "{error}");
    fleet.edit(&verify, &format!("{verify}, rate: 3/s, timeout: 30s"));
    // Its counters begin again with a reload.
    let folder = fleet.lab.hosts[0].root.join("postfix");
    assert!(
        Command::new("/usr/sbin/postfix").arg("-c").arg(folder).arg("reload").status().unwrap().success()
    );
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.last()["hosts"][0]["failed_handshakes"], 0);
}
