//! A network that is far away: a TCP proxy on every loopback address that hands everything on later, and counts how
//! often a side had to wait for the other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What went through a proxy.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) connections: AtomicUsize,
    /// How often the near side spoke after the far side had: each time it had waited for a round trip; the one of
    /// TCP itself is counted with them.
    pub(crate) round_trips: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
}

/// A proxy in front of a port of every address, or of one; its own port.
pub(crate) async fn slow(
    to: impl Fn(IpAddr) -> SocketAddr + Send + Sync + 'static,
    round_trip: Duration,
) -> (u16, Arc<Counted>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
    let listener = socket.listen(4096).unwrap();
    let port = listener.local_addr().unwrap().port();
    let counted = Arc::new(Counted::default());
    let shared = counted.clone();
    let to = Arc::new(to);
    tokio::spawn(async move {
        loop {
            let Ok((near, _)) = listener.accept().await else { continue };
            let (to, counted) = (to.clone(), shared.clone());
            tokio::spawn(async move {
                let _ = relay(near, to.as_ref(), round_trip, counted).await;
            });
        }
    });
    (port, counted)
}

async fn relay(
    near: TcpStream,
    to: &impl Fn(IpAddr) -> SocketAddr,
    round_trip: Duration,
    counted: Arc<Counted>,
) -> std::io::Result<()> {
    let far = TcpStream::connect(to(near.local_addr()?.ip())).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    counted.connections.fetch_add(1, Ordering::Relaxed);
    counted.round_trips.fetch_add(1, Ordering::Relaxed);
    // Whether the far side spoke last.
    let answered = Arc::new(AtomicBool::new(false));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    // TCP's own handshake was done with the proxy, in no time.
    let open = Instant::now() + round_trip;
    let there = {
        let (answered, counted) = (answered.clone(), counted.clone());
        let seen = move |bytes: usize| {
            counted.bytes.fetch_add(bytes, Ordering::Relaxed);
            if answered.swap(false, Ordering::Relaxed) {
                counted.round_trips.fetch_add(1, Ordering::Relaxed);
            }
        };
        later(near_read, far_write, open, round_trip / 2, seen)
    };
    let back = {
        let seen = move |bytes: usize| {
            counted.bytes.fetch_add(bytes, Ordering::Relaxed);
            answered.store(true, Ordering::Relaxed);
        };
        later(far_read, near_write, open, round_trip / 2, seen)
    };
    tokio::join!(there, back);
    Ok(())
}

/// Hands everything on after a while, the end as well. `seen` is told what is handed on to the far side when it is
/// read, and what comes back when it is delivered: as the near side sees it.
async fn later(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin,
    open: Instant,
    delay: Duration,
    seen: impl Fn(usize) + Send + 'static,
) {
    let (sender, mut parts) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        loop {
            let mut part = Vec::with_capacity(16 * 1024);
            match from.read_buf(&mut part).await {
                Ok(read) if read > 0 => {
                    seen(read);
                    let due = Instant::now().max(open) + delay;
                    if sender.send((due, part)).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    });
    while let Some((due, part)) = parts.recv().await {
        tokio::time::sleep_until(due).await;
        if to.write_all(&part).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
