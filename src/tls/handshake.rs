//! How a handshake is made, and how it can end.

use crate::certificate::KeyAlgorithm;
use crate::ports::BoxedStream;
use crate::tls::pace::Turn;
use crate::verify::{Endpoint, Observation};

/// What is said of a server that hangs up.
pub(super) const CLOSED: &str = "the connection was closed in the middle of the handshake";

/// A library that shakes hands.
pub(super) trait Handshake: Sync {
    /// A full handshake that comes to its end whatever is served; `protocol` is offered by ALPN (RFC 7301), else what the
    /// endpoint says.
    fn shake(
        &self,
        stream: BoxedStream,
        endpoint: &Endpoint,
        protocol: Option<&[u8]>,
    ) -> impl Future<Output = Result<Shaken, HandshakeError>> + Send;
}

/// What a library shakes hands with, for each choice of [`Endpoint::key`].
#[derive(Clone)]
pub(super) struct ForKey<T> {
    pub(super) any: T,
    pub(super) ecdsa: T,
    pub(super) rsa: T,
}

impl<T> ForKey<T> {
    pub(super) fn of(&self, key: Option<KeyAlgorithm>) -> &T {
        match key {
            None => &self.any,
            Some(KeyAlgorithm::Ecdsa) => &self.ecdsa,
            Some(KeyAlgorithm::Rsa) => &self.rsa,
        }
    }
}

/// A connection after its handshake.
pub(super) struct Shaken {
    /// What is written to it goes through TLS.
    pub(super) stream: BoxedStream,
    /// The certificates in the order they were sent, each in DER.
    pub(super) chain: Vec<Vec<u8>>,
    /// The OCSP answer that was stapled, in DER.
    pub(super) staple: Option<Vec<u8>>,
    /// `TLSv1.3`
    pub(super) version: String,
    /// The turn that it has at its listener.
    pub(super) turn: Option<Turn>,
}

/// What is offered by ALPN.
pub(super) fn offered(endpoint: &Endpoint, protocol: Option<&[u8]>) -> Vec<Vec<u8>> {
    match protocol {
        Some(protocol) => vec![protocol.to_vec()],
        None => endpoint.alpn().iter().map(|one| one.as_bytes().to_vec()).collect(),
    }
}

/// Why there was no handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HandshakeError {
    /// The library and the server do not fit, in the library's words: another one may show what is served.
    Incompatible(String),
    /// It failed, as it would with any library.
    Failed(Observation),
}

impl HandshakeError {
    /// Of a server that answers, but not with TLS.
    pub(super) fn not_tls(reason: impl Into<String>) -> Self {
        Self::Failed(Observation::NotTls(reason.into()))
    }
}

impl From<HandshakeError> for Observation {
    fn from(failure: HandshakeError) -> Self {
        match failure {
            HandshakeError::Incompatible(reason) => Observation::NotTls(reason),
            HandshakeError::Failed(observation) => observation,
        }
    }
}
