//! TLS handshakes with endpoints.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use crate::ports::BoxedStream;
use crate::verify::{Endpoint, HeldOutcome, Observation};

/// Connects to an endpoint, each time that it is called; else the reason, in words.
pub trait Dial: Fn() -> Self::Dialled + Send + Sync {
    /// The connection, when it is made.
    type Dialled: Future<Output = Result<BoxedStream, String>> + Send;
}

impl<F, D> Dial for F
where
    F: Fn() -> D + Send + Sync,
    D: Future<Output = Result<BoxedStream, String>> + Send,
{
    type Dialled = D;
}

/// Speaks TLS to endpoints.
pub trait Prober: Send + Sync + 'static {
    /// A connection with a request in flight.
    type Held: HeldRequest;
    /// A connection that was used and is kept.
    type Idle: IdleConnection;

    /// A TCP connection from the controller.
    ///
    /// # Errors
    /// The reason in words: refused, timed out, no such name.
    fn dial(
        &self,
        address: &str,
        port: u16,
        deadline: Duration,
    ) -> impl Future<Output = Result<BoxedStream, String>> + Send;

    /// Every address of a name (RFC 6724 orders them); of an address, itself.
    ///
    /// # Errors
    /// The reason in words.
    fn resolve(&self, name: &str) -> impl Future<Output = Result<Vec<IpAddr>, String>> + Send;

    /// One full handshake, without session resumption, then closes. It dials again where the first connection shows
    /// that TLS has to be spoken in another way.
    fn handshake(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = Observation> + Send;

    /// Handshakes as close together as a switch has them; where the listener takes no more of them, how that ended.
    fn burst(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = Option<BurstEnd>> + Send;

    /// A handshake, what it showed, and a whole HTTP/1.1 request; where that is answered, another one on the same connection
    /// but for its last empty line, so that the server has a request in flight.
    fn converse(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = (Observation, Conversation<Self::Held>)> + Send;

    /// A handshake and a whole HTTP/1.1 request, after whose answer the connection is kept. None where the server did not answer
    /// so, or ended the connection.
    fn keep(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = Option<Self::Idle>> + Send;

    /// A handshake and an HTTP/1.1 request but for its last empty line. None where that could not be sent.
    fn hold(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> impl Future<Output = Option<Self::Held>> + Send;
}

/// How a burst of handshakes ended that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurstEnd {
    /// So many were made.
    pub made: usize,
    /// What the last one that failed showed.
    pub failed: Observation,
}

/// What became of a first request.
#[derive(Debug)]
pub enum Conversation<H> {
    /// It was answered, and the next one is in flight.
    Held(H),
    /// It was answered, and the server ended the connection.
    Ended,
    /// There was no answer in HTTP.
    None,
}

/// A connection that waits for its next request.
pub trait IdleConnection: Send + 'static {
    /// Whether the server has closed it meanwhile.
    fn was_closed(self) -> impl Future<Output = bool> + Send;
}

/// A connection with a request in flight, kept open over a reload.
pub trait HeldRequest: Send + 'static {
    /// Sends the rest of the request and waits for the answer.
    fn finish(self, deadline: Duration) -> impl Future<Output = HeldOutcome> + Send;
}
