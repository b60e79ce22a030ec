//! A network between the controller and a host's sshd, which cuts connections or lets them freeze.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::Fleet;

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Both ends are told.
    Cut,
    /// Nothing goes through any more, and nobody is told.
    Freeze,
}

#[derive(Default)]
struct Network {
    /// Bytes that went to the host.
    sent: AtomicUsize,
    /// What becomes of the connection that brings the bytes up to so many.
    fault: Mutex<Option<(usize, Fault)>>,
    /// New connections are closed at once.
    down: AtomicBool,
    connections: Mutex<Vec<Arc<Connection>>>,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    frozen: AtomicBool,
}

impl Connection {
    fn cut(&self) {
        // Either may be gone by itself.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }
}

/// Ends with all its connections when dropped.
pub(crate) struct Proxy {
    network: Arc<Network>,
    at: SocketAddr,
}

impl Proxy {
    /// Stands before a host's sshd from now on.
    pub(crate) fn before(fleet: &Fleet, host: usize) -> Self {
        let sshd = fleet.lab.hosts[host].sshd.as_ref().unwrap();
        let (to, line) = (sshd.address, &sshd.known_hosts_line);
        let listener = TcpListener::bind((to.ip(), 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (old, new) = (format!("]:{} ", to.port()), format!("]:{} ", at.port()));
        let known_hosts = fleet.lab.directory().join("known_hosts");
        let known = std::fs::read_to_string(&known_hosts).unwrap();
        std::fs::write(known_hosts, format!("{known}{}\n", line.replace(&old, &new))).unwrap();
        let at_port =
            |address: SocketAddr| format!("ansible_host: {}, ansible_port: {}", address.ip(), address.port());
        fleet.edit_inventory(&at_port(to), &at_port(at));
        let network = Arc::new(Network::default());
        let shared = network.clone();
        // Ends when its network is down for good, and it is woken up.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if Arc::strong_count(&shared) == 1 {
                    return;
                }
                if !shared.down.load(Ordering::SeqCst) {
                    connect(&shared, client, to);
                }
            }
        });
        Self { network, at }
    }

    pub(crate) fn sent(&self) -> usize {
        self.network.sent.load(Ordering::SeqCst)
    }

    /// Cuts the connection that brings the next so many bytes to the host.
    pub(crate) fn cut_after(&self, bytes: usize) {
        *self.network.fault.lock().unwrap() = Some((self.sent() + bytes, Fault::Cut));
    }

    /// The same, but it freezes.
    pub(crate) fn freeze_after(&self, bytes: usize) {
        *self.network.fault.lock().unwrap() = Some((self.sent() + bytes, Fault::Freeze));
    }

    /// Every connection that there is freezes.
    pub(crate) fn freeze(&self) {
        for connection in self.network.connections.lock().unwrap().iter() {
            connection.frozen.store(true, Ordering::SeqCst);
        }
    }

    /// New connections come to nothing, or to the host.
    pub(crate) fn set_down(&self, down: bool) {
        self.network.down.store(down, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set_down(true);
        self.network.connections.lock().unwrap().iter().for_each(|connection| connection.cut());
        self.network = Arc::default();
        drop(TcpStream::connect(self.at));
    }
}

fn connect(network: &Arc<Network>, client: TcpStream, to: SocketAddr) {
    // A host that is down closes the connection.
    let Ok(server) = TcpStream::connect(to) else { return };
    let connection = Arc::new(Connection { client, server, frozen: AtomicBool::new(false) });
    network.connections.lock().unwrap().push(connection.clone());
    let (there, back) = (connection.clone(), connection);
    let network = network.clone();
    std::thread::spawn(move || {
        pump(&there, &there.client, &there.server, |bytes| network.take(bytes));
    });
    std::thread::spawn(move || pump(&back, &back.server, &back.client, |bytes| (bytes, None)));
}

impl Network {
    /// How many of these bytes get through, and what happens then.
    fn take(&self, bytes: usize) -> (usize, Option<Fault>) {
        let mut fault = self.fault.lock().unwrap();
        let sent = self.sent.load(Ordering::SeqCst);
        let (through, happens) = match *fault {
            Some((at, what)) if sent + bytes >= at => (at.saturating_sub(sent).min(bytes), Some(what)),
            _ => (bytes, None),
        };
        if happens.is_some() {
            *fault = None;
        }
        self.sent.fetch_add(through, Ordering::SeqCst);
        (through, happens)
    }
}

fn pump(
    connection: &Connection,
    mut from: &TcpStream,
    mut to: &TcpStream,
    take: impl Fn(usize) -> (usize, Option<Fault>),
) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if connection.is_frozen() {
            continue;
        }
        let (through, fault) = take(read);
        if to.write_all(&buffer[..through]).is_err() {
            break;
        }
        match fault {
            Some(Fault::Cut) => break,
            Some(Fault::Freeze) => connection.frozen.store(true, Ordering::SeqCst),
            None => {}
        }
    }
    // The other side of a frozen connection never hears of this one's end.
    if !connection.is_frozen() {
        connection.cut();
    }
}
