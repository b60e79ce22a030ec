//! Somebody else on HAProxy's socket in the very moment when certwave is: before 3.0.11 a certificate goes into whatever
//! transaction is open, later versions refuse it.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::services::haproxy::{ask, haproxy, reload};
use crate::support::Fleet;

/// Passes everything on to a socket, but says something of its own first, once, before a command that begins so.
struct Between {
    path: PathBuf,
    real: PathBuf,
    happened: Arc<AtomicBool>,
    /// What HAProxy said to the other one.
    answer: Arc<Mutex<String>>,
}

/// How it begins its refusal of a second transaction.
const REFUSED: &str = "The ongoing transaction is about";

impl Between {
    fn start(real: PathBuf, before: &'static str, said: String) -> Self {
        let path = real.with_file_name("between.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let happened = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(Mutex::new(String::new()));
        let (done, heard, to) = (happened.clone(), answer.clone(), real.clone());
        // Ends when its path no longer leads to it, and it is woken up.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut question = Vec::new();
                client.read_to_end(&mut question).unwrap();
                if question.is_empty() {
                    return;
                }
                if question.starts_with(before.as_bytes()) && !done.swap(true, Ordering::SeqCst) {
                    let answer = ask(&to, &said);
                    assert!(answer.contains("Transaction") || answer.contains(REFUSED), "{answer}");
                    *heard.lock().unwrap() = answer;
                }
                let mut server = UnixStream::connect(&to).unwrap();
                server.write_all(&question).unwrap();
                server.shutdown(std::net::Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                server.read_to_end(&mut answer).unwrap();
                client.write_all(&answer).unwrap();
            }
        });
        Self { path, real, happened, answer }
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        // An empty question ends it.
        drop(UnixStream::connect(&self.path));
    }
}

/// A fleet on whose HAProxy somebody sets another certificate just before that command of certwave's.
fn crossing(before: &'static str) -> (Fleet, Between) {
    let fleet = Fleet::mixed(1, 1, 0);
    let real = haproxy(&fleet).socket.clone();
    let ssl = fleet.lab.hosts[0].root.join("etc/ssl");
    let text = |name: &str| std::fs::read_to_string(ssl.join(name)).unwrap();
    ask(&real, "new ssl cert other.pem");
    let said = format!("set ssl cert other.pem <<\n{}{}\n", text("other.crt"), text("other.key"));
    let between = Between::start(real, before, said);
    fleet.edit("haproxy/admin.sock", "haproxy/between.sock");
    (fleet, between)
}

/// Rolls out to it, which fails: why. The host has to be back, in memory and on its disk.
fn crossed(fleet: &Fleet, between: &Between) -> String {
    let old = fleet.front_served(0);
    let run = fleet.roll_out(&[]).expect(3);
    assert!(between.happened.load(Ordering::SeqCst));
    assert_eq!(run.hosts(), ["rolled_back", "rolled_back"]);
    assert_eq!(fleet.front_served(0), old);
    reload(haproxy(fleet));
    assert_eq!(fleet.front_served(0), old);
    run.last()["hosts"][1]["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_certificate_that_somebody_elses_transaction_is_in_the_way_of_is_taken_back() {
    let (fleet, between) = crossing("set ssl cert");
    let version = ask(&between.real, "show info");
    let reason = crossed(&fleet, &between);
    if reason.contains("somebody else has a transaction open for `other.pem`") {
        // Refused, so that nothing of ours is in it: it was not ours to end.
        assert!(!version.contains("Version: 2."), "{version}");
        return;
    }
    assert!(
        reason.contains("went into a transaction that somebody else holds open for `other.pem`"),
        "{reason}"
    );
    let list = ask(&between.real, "show ssl cert");
    assert!(!list.contains("# transaction"), "{list}");
}

#[test]
fn somebody_elses_certificate_in_our_transaction_is_found_when_it_is_read_back() {
    let (fleet, between) = crossing("commit ssl cert");
    // What this HAProxy does about it is seen from its answer to the other one, once the rollout is over.
    if refuses_a_second_transaction(&between.real) {
        let run = fleet.roll_out(&[]).expect(0);
        assert!(between.answer.lock().unwrap().contains(REFUSED));
        assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);
        return;
    }
    let reason = crossed(&fleet, &between);
    assert!(reason.contains("after it said that it took serial"), "{reason}");
    let list = ask(&between.real, "show ssl cert");
    assert!(!list.contains("# transaction"), "{list}");
}

/// Whether it takes a certificate into a transaction about another: asked with one that it does not take in any case.
fn refuses_a_second_transaction(socket: &Path) -> bool {
    let name =
        ask(socket, "show ssl cert").lines().map(str::to_owned).find(|line| line.starts_with('/')).unwrap();
    let pem = std::fs::read_to_string(&name).unwrap();
    let opened = ask(socket, &format!("set ssl cert {name} <<\n{pem}\n"));
    assert!(opened.contains("Transaction created"), "{opened}");
    let answer = ask(socket, &format!("set ssl cert other.pem <<\n{pem}\n"));
    ask(socket, &format!("abort ssl cert {name}"));
    answer.contains(REFUSED)
}
