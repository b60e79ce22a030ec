//! What a host far away costs: round trips, not CPU. First one host of the lab (a real sshd and nginx), of which every
//! round trip is counted on the wire; then 200 hosts at once. `cargo bench --bench latency -- 200`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A bench says what it expects by failing.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use certwave::lab::{Lab, LabOptions};

use common::far::FarEnd;
use common::slow::{Counted, slow};
use common::{Cost, Page, certwave, numbers, run};

/// From the controller to a host and back.
const ROUND_TRIP: Duration = Duration::from_millis(100);

fn main() {
    common::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut page = Page::default();
    page.table(&[
        "hosts",
        "away",
        "wall",
        "wall in round trips",
        "CPU a host",
        "SSH: connections, round trips, bytes a host",
        "TLS: connections, round trips a host",
    ]);
    runtime.block_on(real(&mut page));
    for hosts in numbers(&[200]) {
        runtime.block_on(many(&mut page, hosts));
    }
    page.write("latency.md");
}

/// A host of the lab.
async fn real(page: &mut Page) {
    let options = LabOptions { hosts: 1, haproxy: 0, envoy: 0, directory: None, soak: "0s".to_owned() };
    let lab = Lab::start(&options).unwrap();
    let host = &lab.hosts[0];
    let (ssh, https) = (host.sshd.as_ref().unwrap().address, host.nginx.https);
    for round_trip in [Duration::ZERO, ROUND_TRIP] {
        let (ssh_port, on_ssh) = slow(move |_| ssh, round_trip).await;
        let (https_port, on_https) = slow(move |_| https, round_trip).await;
        let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
        let through = inventory
            .replace(&format!("ansible_port: {}", ssh.port()), &format!("ansible_port: {ssh_port}"))
            .replace(&format!("https_port: {}", https.port()), &format!("https_port: {https_port}"));
        std::fs::write(lab.inventory(), through).unwrap();
        let known = lab.directory().join("known_hosts");
        let lines = std::fs::read_to_string(&known).unwrap();
        std::fs::write(&known, lines.replace(&format!("]:{}", ssh.port()), &format!("]:{ssh_port}")))
            .unwrap();
        let folder = lab.directory().to_owned();
        let rollout = tokio::task::spawn_blocking(move || {
            run(&mut certwave(&folder, &["rollout", "playbook.yaml", "--yes", "--force", "-q"]), 0)
        });
        page.say(row("1 of the lab", 1, round_trip, &rollout.await.unwrap(), &on_ssh, &on_https));
        std::fs::write(lab.inventory(), inventory).unwrap();
        std::fs::write(&known, lines).unwrap();
    }
}

/// Far ends in this process, all at once.
async fn many(page: &mut Page, hosts: usize) {
    let far = Arc::new(FarEnd::start().await);
    let (ssh, tls) = far.ports();
    for round_trip in [Duration::ZERO, ROUND_TRIP] {
        let (ssh_port, on_ssh) = slow(move |address| SocketAddr::new(address, ssh), round_trip).await;
        let (tls_port, on_tls) = slow(move |address| SocketAddr::new(address, tls), round_trip).await;
        far.prepare(hosts, hosts, (ssh_port, tls_port));
        let folder = far.folder.path().to_owned();
        let rollout = tokio::task::spawn_blocking(move || {
            run(&mut certwave(&folder, &["rollout", "playbook.yaml", "--yes", "-q"]), 0)
        });
        let rollout = rollout.await.unwrap();
        assert_eq!(far.changed(), hosts, "every host was changed");
        page.say(row(&hosts.to_string(), hosts, round_trip, &rollout, &on_ssh, &on_tls));
    }
}

fn row(
    what: &str,
    hosts: usize,
    round_trip: Duration,
    rollout: &Cost,
    ssh: &Counted,
    tls: &Counted,
) -> String {
    let each = |count: &std::sync::atomic::AtomicUsize| count.load(Ordering::Relaxed) as f64 / hosts as f64;
    let wall = rollout.wall.as_secs_f64();
    let trips =
        if round_trip.is_zero() { "".to_owned() } else { format!("{:.1}", wall / round_trip.as_secs_f64()) };
    format!(
        "| {what} | {} ms | {wall:.2} s | {trips} | {:.1} ms | {:.1}, {:.1}, {:.0} | {:.1}, {:.1} |",
        round_trip.as_millis(),
        rollout.cpu_ms_each(hosts),
        each(&ssh.connections),
        each(&ssh.round_trips),
        each(&ssh.bytes),
        each(&tls.connections),
        each(&tls.round_trips),
    )
}
