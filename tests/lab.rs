//! The lab itself: it comes up, it ends with all its processes, and labs do not meet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use certwave::lab::{Lab, LabHandle, LabOptions};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

fn options(hosts: usize) -> LabOptions {
    LabOptions { hosts, haproxy: 0, envoy: 0, directory: None, soak: "1s".to_owned() }
}

fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| {
        text.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    })
}

fn pids(lab: &Lab) -> Vec<u32> {
    let hosts = lab
        .hosts
        .iter()
        .flat_map(|host| [host.nginx.process.id(), host.sshd.as_ref().map_or(0, |sshd| sshd.process.id())]);
    hosts.chain([lab.pebble.server.id(), lab.pebble.dns.id()]).collect()
}

#[test]
fn two_labs_at_once_answer_and_end() {
    let (first, second) = (Lab::start(&options(2)).unwrap(), Lab::start(&options(1)).unwrap());
    let all = [pids(&first), pids(&second)].concat();
    for host in first.hosts.iter().chain(&second.hosts) {
        TcpStream::connect(host.nginx.https).unwrap();
        TcpStream::connect(host.sshd.as_ref().unwrap().address).unwrap();
    }
    assert!(first.pebble.root_pem().unwrap().starts_with(b"-----BEGIN CERTIFICATE-----"));
    assert!(all.iter().all(|pid| runs(*pid)));
    let directory = first.directory().to_owned();
    drop((first, second));
    assert!(!all.iter().any(|pid| runs(*pid)), "a server outlived its lab");
    assert!(!directory.exists());
}

/// As `/root` is: root's nginx would have its workers run as a user who may not look into it.
#[test]
fn a_lab_in_a_folder_of_ones_own_is_served_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let directory = folder.path().join("lab");
    let lab = Lab::start(&LabOptions { directory: Some(directory), ..options(1) }).unwrap();
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let mut config = builder.build().configure().unwrap();
    config.set_verify_hostname(false);
    let stream = TcpStream::connect(lab.hosts[0].nginx.https).unwrap();
    let mut stream = config.connect("api.lab.test", stream).unwrap();
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    // nginx may end the connection without a goodbye.
    drop(stream.read_to_string(&mut answer));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_panic_leaves_nothing_behind() {
    let pids_of = std::sync::Mutex::new(Vec::new());
    let panicked = std::panic::catch_unwind(|| {
        let lab = Lab::start(&options(1)).unwrap();
        *pids_of.lock().unwrap() = pids(&lab);
        // Without the message of a real panic.
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(panicked.is_err());
    let pids = pids_of.lock().unwrap();
    assert!(!pids.is_empty() && !pids.iter().any(|pid| runs(*pid)));
}

#[test]
fn a_detached_lab_is_found_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("lab");
    let lab = Lab::start(&LabOptions { directory: Some(directory.clone()), ..options(1) }).unwrap();
    let all = pids(&lab);
    drop(lab.detach().unwrap());
    assert!(all.iter().all(|pid| runs(*pid)));
    let again = Lab::start(&LabOptions { directory: Some(directory.clone()), ..options(1) });
    assert!(again.unwrap_err().to_string().contains("there is one already"));
    let handle = LabHandle::open(&directory).unwrap();
    assert!(handle.status().iter().all(|server| server.running));
    handle.down().unwrap();
    assert!(!all.iter().any(|pid| runs(*pid)) && !directory.exists());
    assert!(LabHandle::open(Path::new("/nonexistent")).is_err());
}
