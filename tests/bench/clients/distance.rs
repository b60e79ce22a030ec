//! A distance between clients and a server: what one end sends arrives later at the other.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Listens at an address of its own from now on, and forwards to a server, each way so much later.
pub(crate) fn away_from(server: SocketAddr, each_way: Duration) -> SocketAddr {
    let listener = TcpListener::bind((server.ip(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // A connection that is refused ends as one that is closed at once.
            let Ok(server) = TcpStream::connect(server) else { continue };
            for (from, to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server.try_clone().unwrap(), client.try_clone().unwrap()),
            ] {
                std::thread::spawn(move || carry(from, to, each_way));
            }
        }
    });
    at
}

/// One direction of a connection, its end included.
fn carry(mut from: TcpStream, mut to: TcpStream, each_way: Duration) {
    to.set_nodelay(true).unwrap();
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = std::thread::spawn(move || {
        for (due, bytes) in receive {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if bytes.is_empty() || to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut part = [0; 16_384];
    loop {
        let read = from.read(&mut part).unwrap_or(0);
        if send.send((Instant::now() + each_way, part[..read].to_vec())).is_err() || read == 0 {
            break;
        }
    }
    drop(send);
    let _ = writer.join();
}
