//! What a server asks of its client in a handshake, and what it means when that ends there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use crate::tls::alert;
use crate::tls::handshake::{CLOSED, HandshakeError};
use crate::verify::{ClientDemand, Endpoint, Observation};

/// What a server asked for in one handshake; it is shown a certificate where there is one.
#[derive(Debug, Default)]
pub(super) struct ClientRequest {
    identity: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ClientRequest {
    pub(super) fn new(identity: Option<Arc<CertifiedKey>>) -> Self {
        Self { identity, asked: AtomicBool::new(false) }
    }

    /// The server asked for a certificate (RFC 5246, section 7.4.4).
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientRequest {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.identity.clone()
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}

/// How a server ended a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With an alert (RFC 8446, section 6.2).
    Alert(u8),
    /// It closed the connection, or reset it.
    Closed,
}

/// What a server wants that ended a handshake so; none where that may mean anything. `asked` is whether it had asked for a
/// certificate of the client: up to TLS 1.2 it refuses within the handshake, and later only after it.
pub(super) fn refusal(ending: Ending, asked: bool, endpoint: &Endpoint) -> Option<HandshakeError> {
    let certificate = match endpoint.client_certificate() {
        Some(_) => ClientDemand::OtherClientCertificate,
        None => ClientDemand::ClientCertificate,
    };
    let demand = match ending {
        Ending::Alert(120) if endpoint.alpn().is_empty() => ClientDemand::Alpn,
        Ending::Alert(120) => ClientDemand::OtherAlpn,
        // The alerts about certificates, and the one of a server that knows no better.
        Ending::Alert(0 | 40 | 42..=46 | 48 | 49 | 51) | Ending::Closed if asked => certificate,
        // OpenSSL does not tell what it was asked for. A server that was shown none speaks of no other certificate.
        Ending::Alert(42) if endpoint.client_certificate().is_none() => certificate,
        Ending::Alert(116) => certificate,
        Ending::Alert(_) | Ending::Closed => return None,
    };
    let reason = match ending {
        Ending::Alert(0) | Ending::Closed => CLOSED.to_owned(),
        Ending::Alert(alert) => alert::words(alert),
    };
    Some(HandshakeError::Failed(Observation::Refused { demand, reason }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::endpoint;
    use crate::verify::ClientCertificate;

    #[test]
    fn an_ending_means_a_demand_where_nothing_else_is_likely() {
        use ClientDemand::{Alpn, ClientCertificate as Certificate, OtherAlpn, OtherClientCertificate};
        let plain = endpoint();
        let offering = plain.with_client(|client| client.alpn = vec!["h2".to_owned()]);
        let showing = plain.with_client(|client| {
            client.client_certificate =
                Some(ClientCertificate { certificate: "a.pem".into(), key: "a.key".into() });
        });
        for (ending, asked, endpoint, expected) in [
            (Ending::Alert(120), false, &plain, Some(Alpn)),
            (Ending::Alert(120), true, &plain, Some(Alpn)),
            (Ending::Alert(120), false, &offering, Some(OtherAlpn)),
            (Ending::Alert(116), false, &plain, Some(Certificate)),
            (Ending::Alert(116), false, &showing, Some(OtherClientCertificate)),
            (Ending::Alert(42), false, &plain, Some(Certificate)),
            (Ending::Alert(42), false, &showing, None),
            (Ending::Alert(40), true, &plain, Some(Certificate)),
            (Ending::Alert(40), true, &showing, Some(OtherClientCertificate)),
            (Ending::Alert(48), true, &showing, Some(OtherClientCertificate)),
            (Ending::Closed, true, &plain, Some(Certificate)),
            // No shared cipher, another version, a broken server.
            (Ending::Alert(40), false, &plain, None),
            (Ending::Alert(70), true, &plain, None),
            (Ending::Alert(80), true, &plain, None),
            (Ending::Alert(48), false, &plain, None),
            (Ending::Closed, false, &plain, None),
        ] {
            let found = match refusal(ending, asked, endpoint) {
                Some(HandshakeError::Failed(Observation::Refused { demand, .. })) => Some(demand),
                _ => None,
            };
            assert_eq!(found, expected, "{ending:?} {asked}");
        }
    }
}
