//! Clients of several kinds, and what they notice.

pub(crate) mod distance;
pub(crate) mod http2;
pub(crate) mod long;
pub(crate) mod plain;

use std::time::Instant;

/// What clients noticed.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) handshakes: usize,
    pub(crate) failed_handshakes: usize,
    pub(crate) requests: usize,
    pub(crate) failed_requests: usize,
    /// An answer that began and did not end.
    pub(crate) cut: usize,
    /// Kept connections that the server closed between two requests.
    pub(crate) closed: usize,
    /// Requests that were sent over a kept connection and not answered.
    pub(crate) lost: usize,
    /// When each leaf was served.
    pub(crate) leaves: Vec<(Instant, Vec<u8>)>,
}

impl Seen {
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.handshakes += other.handshakes;
        self.failed_handshakes += other.failed_handshakes;
        self.requests += other.requests;
        self.failed_requests += other.failed_requests;
        self.cut += other.cut;
        self.closed += other.closed;
        self.lost += other.lost;
        self.leaves.extend(other.leaves);
        self
    }
}
