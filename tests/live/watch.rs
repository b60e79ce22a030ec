//! What clients see all the while: handshakes against every host of a fleet.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

use crate::support::Fleet;

/// Handshakes at a steady pace against every host, until it ends.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeSet<String>>>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Watch {
    pub(crate) fn over(fleet: &Fleet) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
        let web = fleet.lab.hosts.iter().map(|host| host.nginx.https);
        let all: Vec<SocketAddr> =
            web.chain(fleet.lab.fronts.iter().map(|front| front.server.https())).collect();
        let roots = fleet.lab.directory().join("roots.pem");
        let threads = all.into_iter().map(|address| {
            let (stop, seen) = (stop.clone(), seen.clone());
            let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
            builder.set_ca_file(&roots).unwrap();
            builder.set_verify(SslVerifyMode::PEER);
            let connector = builder.build();
            std::thread::spawn(move || {
                let mut wrong = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match whole(&connector, address) {
                        Ok(leaf) => {
                            seen.lock().unwrap().insert(leaf);
                        }
                        Err(reason) => wrong.push(format!("{address}: {reason}")),
                    }
                    // A hundred a second: more would take the servers' own time.
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                wrong
            })
        });
        let threads = threads.collect();
        Self { stop, seen, threads }
    }

    /// Every leaf that was served; panics where a handshake did not bring a whole, trusted certificate.
    pub(crate) fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let wrong = thread.join().unwrap();
            assert!(wrong.is_empty(), "{} handshakes failed: {:?}", wrong.len(), wrong.first());
        }
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// A full handshake: the chain is whole and trusted, the name right, the key fits.
fn whole(connector: &SslConnector, address: SocketAddr) -> Result<String, String> {
    let stream = std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
    let stream = connector.connect("api.lab.test", stream).map_err(|error| error.to_string())?;
    let leaf = stream.ssl().peer_certificate().ok_or("no certificate")?;
    Ok(hex::encode(openssl::sha::sha256(&leaf.to_der().map_err(|error| error.to_string())?)))
}
