//! What clients notice while certificates are changed: a steady load on nginx, HAProxy and Envoy during a rollout and
//! during a rollback. Prints a table. `cargo bench --bench downtime`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A bench says what it expects by failing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use certwave::lab::{Break, Lab, LabOptions};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslSessionCacheMode, SslStream, SslVerifyMode};

/// Connections at once on each server, each with a handshake and a request, one after the other.
const CLIENTS: usize = 3;
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Seen {
    handshakes: usize,
    failed_handshakes: usize,
    requests: usize,
    failed_requests: usize,
    /// An answer that began and did not end.
    cut: usize,
    /// Kept connections that the server closed between two requests.
    closed: usize,
    /// When each leaf was served.
    leaves: Vec<(Instant, Vec<u8>)>,
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
    let servers = [
        ("nginx", lab.hosts[0].nginx.https),
        ("HAProxy", lab.fronts[0].server.https()),
        ("Envoy", lab.fronts[1].server.https()),
    ];
    println!(
        "| during | server | handshakes (a second) | failed | requests | failed | cut short | kept connections closed | old and new mixed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    measure("rollout", &lab, &servers, 0);
    // The last host's configuration is broken: everything that was done goes back.
    lab.hosts.swap(0, 1);
    lab.break_canary(Break::Config).unwrap();
    measure("rollback", &lab, &servers, 3);
}

fn measure(what: &str, lab: &Lab, servers: &[(&str, SocketAddr)], code: i32) {
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let clients: Vec<Vec<_>> = servers
        .iter()
        .map(|(_, address)| {
            let address = *address;
            let fresh = (0..CLIENTS).map(|_| {
                let stop = stop.clone();
                std::thread::spawn(move || fresh_connections(address, &stop))
            });
            let kept = {
                let stop = stop.clone();
                std::thread::spawn(move || kept_connection(address, &stop))
            };
            fresh.chain([kept]).collect()
        })
        .collect();
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
    for ((name, _), clients) in servers.iter().zip(clients) {
        let mut all = Seen::default();
        for client in clients {
            let one = client.join().unwrap();
            all.handshakes += one.handshakes;
            all.failed_handshakes += one.failed_handshakes;
            all.requests += one.requests;
            all.failed_requests += one.failed_requests;
            all.cut += one.cut;
            all.closed += one.closed;
            all.leaves.extend(one.leaves);
        }
        println!(
            "| {what} | {name} | {} ({:.0}) | {} | {} | {} | {} | {} | {} ms |",
            all.handshakes,
            all.handshakes as f64 / seconds,
            all.failed_handshakes,
            all.requests,
            all.failed_requests,
            all.cut,
            all.closed,
            mixed(all.leaves).as_millis()
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

/// Without the system's roots, which take long to read, and without resumption: each handshake is a full one.
fn connector() -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.build()
}

fn connect(context: &SslContext, address: SocketAddr) -> Option<SslStream<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_hostname("api.lab.test").unwrap();
    ssl.connect(stream).ok()
}

enum Answer {
    Whole,
    Cut,
    None,
}

fn request(stream: &mut SslStream<TcpStream>) -> Answer {
    if stream.write_all(b"GET / HTTP/1.1\r\nHost: api.lab.test\r\n\r\n").is_err() {
        return Answer::None;
    }
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) if answer.is_empty() => return Answer::None,
            Ok(0) | Err(_) => return Answer::Cut,
            Ok(read) => answer.extend_from_slice(&part[..read]),
        }
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if length.is_some_and(|length| body.len() >= length) {
            return Answer::Whole;
        }
    }
}

fn fresh_connections(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let context = connector();
    while !stop.load(Ordering::Relaxed) {
        seen.handshakes += 1;
        match connect(&context, address) {
            None => seen.failed_handshakes += 1,
            Some(mut stream) => {
                let leaf = stream.ssl().peer_certificate().unwrap().to_der().unwrap();
                seen.leaves.push((Instant::now(), openssl::sha::sha256(&leaf).to_vec()));
                seen.requests += 1;
                match request(&mut stream) {
                    Answer::Whole => {}
                    Answer::Cut => seen.cut += 1,
                    Answer::None => seen.failed_requests += 1,
                }
                let _ = stream.shutdown();
            }
        }
        std::thread::sleep(PAUSE);
    }
    seen
}

/// One connection with request after request; where the server closes it between two, as HTTP allows, another.
fn kept_connection(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let context = connector();
    let mut kept = connect(&context, address);
    while !stop.load(Ordering::Relaxed) {
        let Some(stream) = &mut kept else {
            kept = connect(&context, address);
            continue;
        };
        match request(stream) {
            Answer::Whole => seen.requests += 1,
            Answer::Cut => seen.cut += 1,
            Answer::None => {
                seen.closed += 1;
                kept = connect(&context, address);
            }
        }
        std::thread::sleep(PAUSE);
    }
    seen
}
