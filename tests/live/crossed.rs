//! Somebody else on HAProxy's socket in the very moment when certwave is: before 3.1 a certificate goes into whatever
//! transaction is open.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::haproxy::{ask, haproxy, reload};
use crate::support::Fleet;

/// Passes everything on to a socket, but says something of its own first, once, before a command that begins so.
struct Between {
    path: PathBuf,
    real: PathBuf,
    happened: Arc<AtomicBool>,
}

impl Between {
    fn start(real: PathBuf, before: &'static str, said: String) -> Self {
        let path = real.with_file_name("between.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let happened = Arc::new(AtomicBool::new(false));
        let (done, to) = (happened.clone(), real.clone());
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
                    assert!(answer.contains("Transaction"), "{answer}");
                }
                let mut server = UnixStream::connect(&to).unwrap();
                server.write_all(&question).unwrap();
                server.shutdown(std::net::Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                server.read_to_end(&mut answer).unwrap();
                client.write_all(&answer).unwrap();
            }
        });
        Self { path, real, happened }
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        // An empty question ends it.
        drop(UnixStream::connect(&self.path));
    }
}

/// A rollout during which somebody sets another certificate just before that command of certwave's: why it failed.
fn crossed(before: &'static str) -> String {
    let fleet = Fleet::mixed(1, 1, 0);
    let real = haproxy(&fleet).socket.clone();
    let ssl = fleet.lab.hosts[0].root.join("etc/ssl");
    let text = |name: &str| std::fs::read_to_string(ssl.join(name)).unwrap();
    ask(&real, "new ssl cert other.pem");
    let said = format!("set ssl cert other.pem <<\n{}{}\n", text("other.crt"), text("other.key"));
    let between = Between::start(real, before, said);
    fleet.edit("haproxy/admin.sock", "haproxy/between.sock");
    let old = fleet.front_served(0);
    let run = fleet.roll_out(&[]).expect(3);
    assert!(between.happened.load(Ordering::SeqCst));
    assert_eq!(run.hosts(), ["rolled_back", "rolled_back"]);
    assert_eq!(fleet.front_served(0), old);
    let list = ask(&between.real, "show ssl cert");
    assert!(!list.contains("# transaction"), "{list}");
    // The disk went back too.
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served(0), old);
    run.last()["hosts"][1]["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_certificate_that_went_into_somebody_elses_transaction_is_taken_back() {
    let reason = crossed("set ssl cert");
    assert!(
        reason.contains("went into a transaction that somebody else holds open for `other.pem`")
            || reason.contains("somebody else has a transaction open for `other.pem`"),
        "{reason}"
    );
}

#[test]
fn somebody_elses_certificate_in_our_transaction_is_found_when_it_is_read_back() {
    let reason = crossed("commit ssl cert");
    assert!(reason.contains("after it said that it took serial"), "{reason}");
}
