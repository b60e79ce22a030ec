//! What clients notice while certificates are changed: a steady load on nginx, HAProxy and Envoy during a rollout and
//! during a rollback. Prints a table. `cargo bench --bench downtime`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A bench says what it expects by failing.

mod clients;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use certwave::lab::{Break, FrontServer, Lab, LabOptions, wait_for};
use clients::{Seen, distance, http2, long, plain};

/// Connections at once on each server, each with a handshake and a request, one after the other.
const CLIENTS: usize = 3;
/// Kept connections of clients that are away.
const DISTANT: usize = 10;
/// What is sent arrives so much later, each way.
const EACH_WAY: Duration = Duration::from_millis(25);

/// A server, and the kinds of clients that it knows.
struct Server {
    name: &'static str,
    address: SocketAddr,
    /// The same for clients that are away.
    distant: SocketAddr,
    /// Whether it speaks HTTP/2, and takes upgrades.
    takes_all: bool,
    /// A file that takes some seconds.
    download: Option<&'static str>,
}

impl Server {
    fn new(name: &'static str, address: SocketAddr) -> Self {
        let distant = distance::away_from(address, EACH_WAY);
        Self {
            name,
            address,
            distant,
            takes_all: name != "Envoy",
            download: (name == "nginx").then_some("/large.bin"),
        }
    }
}

fn main() {
    let options = LabOptions { hosts: 2, haproxy: 1, envoy: 1, directory: None, soak: "1s".to_owned() };
    let mut lab = Lab::start(&options).unwrap();
    let playbook = std::fs::read_to_string(lab.playbook()).unwrap();
    let waves = playbook.find("waves:").unwrap();
    let waves = format!(
        "{}waves:\n  - {{name: three, hosts: \"web01:lb:edge\"}}\n  - {{name: last, hosts: web02}}\n",
        &playbook[..waves]
    );
    std::fs::write(lab.playbook(), waves).unwrap();
    take_all_clients(&lab);
    let servers = [
        Server::new("nginx", lab.hosts[0].nginx.https),
        Server::new("HAProxy", lab.fronts[0].server.https()),
        Server::new("Envoy", lab.fronts[1].server.https()),
    ];
    println!(
        "| during | server | handshakes (a second) | failed | requests | failed | cut short | kept connections closed | requests lost on kept connections | the same 25 ms away | the same over HTTP/2 | WebSockets cut | downloads cut | old and new mixed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    measure("rollout", &lab, &servers, 0);
    // The last host's configuration is broken: everything that was done goes back.
    lab.hosts.swap(0, 1);
    lab.break_canary(Break::Config).unwrap();
    measure("rollback", &lab, &servers, 3);
}

/// nginx and HAProxy speak HTTP/2 and take upgrades from now on.
fn take_all_clients(lab: &Lab) {
    let echo = long::echo();
    let edit = |path: &std::path::Path, changes: &[(String, String)]| {
        let text = std::fs::read_to_string(path).unwrap();
        let text = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "`{from}` is not in {text}");
            text.replacen(from, to, 1)
        });
        std::fs::write(path, text).unwrap();
    };
    let nginx = &lab.hosts[0].nginx;
    let location = format!(
        "location = /echo {{ proxy_pass http://{echo}; proxy_http_version 1.1; proxy_set_header Upgrade websocket; \
         proxy_set_header Connection Upgrade; }}\n        location = /large.bin"
    );
    let listen = format!("listen {} ssl", nginx.https);
    edit(
        &nginx.config,
        &[(format!("{listen};"), format!("{listen} http2;")), ("location = /large.bin".to_owned(), location)],
    );
    signal(nginx.process.id(), "-HUP");
    let FrontServer::Haproxy(haproxy) = &lab.fronts[0].server else { panic!("it is HAProxy") };
    let bind = format!("bind {} ssl ", haproxy.https);
    let rule = "http-request return status 200".to_owned();
    edit(
        &haproxy.config,
        &[
            (bind.clone(), format!("{bind}alpn h2,http/1.1 ")),
            (rule.clone(), format!("use_backend echo if {{ path /echo }}\n  {rule}")),
            (
                "string \"certwave lab\"".to_owned(),
                format!(
                    "string \"certwave lab\" unless {{ path /echo }}\nbackend echo\n  timeout tunnel 1h\n  server echo {echo}"
                ),
            ),
        ],
    );
    signal(haproxy.process.id(), "-USR2");
    for address in [nginx.https, haproxy.https] {
        assert!(wait_for(Duration::from_secs(30), || http2::is_spoken(address)), "no HTTP/2 at {address}");
    }
}

fn signal(process: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

/// Clients of one kind.
fn start(
    stop: &Arc<AtomicBool>,
    number: usize,
    client: impl Fn(&AtomicBool) -> Seen + Clone + Send + 'static,
) -> Vec<JoinHandle<Seen>> {
    let one = |_| {
        let (stop, client) = (stop.clone(), client.clone());
        std::thread::spawn(move || client(&stop))
    };
    (0..number).map(one).collect()
}

fn end(clients: Vec<JoinHandle<Seen>>) -> Seen {
    clients.into_iter().fold(Seen::default(), |all, client| all.and(client.join().unwrap()))
}

/// What every client of a server sees.
struct Watch {
    fresh: Vec<JoinHandle<Seen>>,
    kept: Vec<JoinHandle<Seen>>,
    distant: Vec<JoinHandle<Seen>>,
    http2: Vec<JoinHandle<Seen>>,
    upgraded: Vec<JoinHandle<Seen>>,
    downloads: Vec<JoinHandle<Seen>>,
}

impl Watch {
    fn start(server: &Server, stop: &Arc<AtomicBool>) -> Self {
        let (address, distant) = (server.address, server.distant);
        let all = usize::from(server.takes_all);
        let path = server.download.unwrap_or_default();
        Self {
            fresh: start(stop, CLIENTS, move |stop| plain::fresh_connections(address, stop)),
            kept: start(stop, 1, move |stop| plain::kept_connection(address, stop)),
            distant: start(stop, DISTANT, move |stop| plain::kept_connection(distant, stop)),
            http2: start(stop, all, move |stop| http2::one_connection(address, stop)),
            upgraded: start(stop, all, move |stop| long::upgraded(address, stop)),
            downloads: start(stop, usize::from(!path.is_empty()), move |stop| {
                long::downloads(address, path, stop)
            }),
        }
    }
}

fn measure(what: &str, lab: &Lab, servers: &[Server], code: i32) {
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let watches: Vec<Watch> = servers.iter().map(|server| Watch::start(server, &stop)).collect();
    let ended = Command::new(env!("CARGO_BIN_EXE_certwave"))
        .args(["rollout", "playbook.yaml", "--yes", "--force", "-q", "-i"])
        .arg(lab.inventory())
        .arg("--state")
        .arg(format!("sqlite:{}", lab.directory().join("state").display()))
        .env("HOME", lab.directory())
        .current_dir(lab.directory())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    stop.store(true, Ordering::Relaxed);
    assert_eq!(ended.code(), Some(code), "the {what} did not end as it should");
    let seconds = began.elapsed().as_secs_f64();
    for (server, watch) in servers.iter().zip(watches) {
        let (fresh, kept, distant) = (end(watch.fresh), end(watch.kept), end(watch.distant));
        let (http2, upgraded, downloads) = (end(watch.http2), end(watch.upgraded), end(watch.downloads));
        let known = |is_known: bool, count: usize| if is_known { count.to_string() } else { "-".to_owned() };
        println!(
            "| {what} | {} | {} ({:.0}) | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} ms |",
            server.name,
            fresh.handshakes,
            fresh.handshakes as f64 / seconds,
            fresh.failed_handshakes + http2.failed_handshakes,
            fresh.requests + kept.requests,
            fresh.failed_requests,
            fresh.cut + kept.cut,
            kept.closed + distant.closed,
            kept.lost,
            distant.lost + distant.cut,
            known(server.takes_all, http2.lost),
            known(server.takes_all, upgraded.cut),
            known(server.download.is_some(), downloads.cut),
            mixed(fresh.leaves).as_millis()
        );
    }
}

/// The widest window in which answers with one certificate and with the other came in turns.
fn mixed(mut leaves: Vec<(Instant, Vec<u8>)>) -> Duration {
    leaves.sort();
    let changes: Vec<Instant> =
        leaves.windows(2).filter(|pair| pair[0].1 != pair[1].1).map(|pair| pair[1].0).collect();
    let mut widest = Duration::ZERO;
    let mut first = None;
    for pair in changes.windows(2) {
        // Further apart than this, it is another change: a rollout, and the rollback after it.
        if pair[1].duration_since(pair[0]) > Duration::from_millis(400) {
            first = None;
            continue;
        }
        let began = *first.get_or_insert(pair[0]);
        widest = widest.max(pair[1].duration_since(began));
    }
    widest
}
