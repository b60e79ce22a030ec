//! Which of rustls's failures say that it and a server do not fit. Whatever else went wrong would be hidden by another
//! try: it is told.

use std::io::ErrorKind;

use rustls::{AlertDescription, CertificateError, Error};

use crate::tls::alert;
use crate::tls::client_request::{Ending, refusal};
use crate::tls::handshake::{CLOSED, HandshakeError};
use crate::verify::Endpoint;

/// Why there was no handshake; `asked` is whether the server had asked for a certificate of its client.
pub(super) fn failure(error: &std::io::Error, asked: bool, endpoint: &Endpoint) -> HandshakeError {
    let ending = match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::AlertReceived(alert)) => Some(Ending::Alert((*alert).into())),
        None if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            Some(Ending::Closed)
        }
        _ => None,
    };
    if let Some(refused) = ending.and_then(|ending| refusal(ending, asked, endpoint)) {
        return refused;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => said(error),
        None if error.kind() == ErrorKind::UnexpectedEof => HandshakeError::not_tls(CLOSED),
        None => HandshakeError::not_tls(error.to_string()),
    }
}

fn said(error: &Error) -> HandshakeError {
    match error {
        Error::AlertReceived(alert) => alerted(*alert),
        Error::InvalidCertificate(CertificateError::BadSignature) => HandshakeError::not_tls("bad signature"),
        Error::DecryptError => HandshakeError::not_tls("decryption failed or bad record mac"),
        Error::InappropriateHandshakeMessage { .. }
        | Error::InappropriateMessage { .. }
        | Error::InvalidCertificate(_)
        | Error::InvalidMessage(_)
        | Error::NoCertificatesPresented
        | Error::PeerIncompatible(_)
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord => HandshakeError::Incompatible(error.to_string()),
        _ => HandshakeError::not_tls(error.to_string()),
    }
}

/// What the alerts mean is in RFC 8446, section 6.2. Libraries that do not fit are what an alert speaks of that is about what
/// was offered, or that a server sends which does not understand its client.
fn alerted(alert: AlertDescription) -> HandshakeError {
    HandshakeError::not_tls(match alert {
        AlertDescription::DecodeError
        | AlertDescription::HandshakeFailure
        | AlertDescription::IllegalParameter
        | AlertDescription::InsufficientSecurity
        | AlertDescription::MissingExtension
        | AlertDescription::ProtocolVersion
        | AlertDescription::UnexpectedMessage
        | AlertDescription::UnsupportedExtension => {
            return HandshakeError::Incompatible(Error::AlertReceived(alert).to_string());
        }
        AlertDescription::CloseNotify => CLOSED.to_owned(),
        alert => alert::words(alert.into()),
    })
}

#[cfg(test)]
mod tests {
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::ssl::SslVersion;
    use openssl::x509::X509;
    use rustls::{SupportedProtocolVersion, version};

    use crate::lab::Authority;
    use crate::tls::TlsProber;
    use crate::tls::testing::{Issued, Server, acceptor, refused, serving, trusting, up_to};

    fn prober() -> TlsProber {
        trusting(&Authority::new("ours").unwrap().root_pem().unwrap())
    }

    #[tokio::test]
    async fn a_failure_is_told_as_it_is_and_not_tried_again() {
        let prober = prober();
        for (answer, words) in [
            (&b""[..], "the connection was closed in the middle of the handshake"),
            (&[22, 3, 3, 0, 90, 2, 0], "the connection was closed in the middle of the handshake"),
            (&[21, 3, 3, 0, 2, 2, 80], "TLS alert: internal error"),
            (&[21, 3, 3, 0, 2, 2, 112], "TLS alert: unrecognized name"),
            (&[21, 3, 3, 0, 2, 2, 49], "TLS alert: access denied"),
        ] {
            let server = Server::saying(answer).await;
            assert_eq!(refused(&prober, &server.endpoint()).await, words);
            assert_eq!(server.came(), 1);
        }
        // What was sent is not read: the kernel resets the connection.
        let server = Server::start(async |stream, _| drop(stream)).await;
        let words = refused(&prober, &server.endpoint()).await;
        assert!(words.contains("reset") || words.contains("closed"), "{words}");
        assert_eq!(server.came(), 1);
    }

    #[tokio::test]
    async fn of_a_server_that_fits_nobody_openssl_says_why() {
        let prober = prober();
        for (answer, words) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "wrong version number"),
            (&[21, 3, 3, 0, 2, 2, 40], "TLS alert: handshake failure"),
            (&[21, 3, 3, 0, 2, 2, 70], "TLS alert: protocol version"),
            (&[21, 3, 3, 0, 2, 2, 71], "TLS alert: insufficient security"),
        ] {
            let server = Server::saying(answer).await;
            for came in [2, 3] {
                assert_eq!(refused(&prober, &server.endpoint()).await, words);
                assert_eq!(server.came(), came);
            }
        }
        let issued = Authority::new("ours").unwrap().issue(&["a.test"], -1, 30).unwrap();
        for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
            let server = Server::openssl(vec![serving(&[&issued], up_to(version))]).await;
            // How OpenSSL says it is its own matter.
            refused(&prober, &server.endpoint()).await;
            assert_eq!(server.came(), 2);
        }
    }

    /// A server that does not mind whether key and chain fit, nor what is in the chain.
    async fn careless(
        chain: Vec<Vec<u8>>,
        key: &PKey<Private>,
        version: &'static SupportedProtocolVersion,
    ) -> Server {
        let acceptor = acceptor(chain, key, version);
        Server::start(move |stream, _| {
            let accepting = acceptor.accept(stream);
            async move { drop(accepting.await) }
        })
        .await
    }

    fn der(issued: &Issued) -> Vec<u8> {
        X509::from_pem(&issued.0).unwrap().to_der().unwrap()
    }

    #[tokio::test]
    async fn a_server_without_the_key_of_its_certificate_is_refused() {
        let (authority, prober) = (Authority::new("ours").unwrap(), prober());
        let rsa = || PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let of = |key: PKey<Private>| (authority.certify(&key, &["a.test"], -1, 30).unwrap(), Vec::new());
        let ecdsa = || authority.issue(&["a.test"], -1, 30).unwrap();
        let ecdsa_key = PKey::private_key_from_pem(&ecdsa().1).unwrap();
        for version in [&version::TLS12, &version::TLS13] {
            for (issued, key) in [(ecdsa(), ecdsa_key.clone()), (of(rsa()), rsa())] {
                let server = careless(vec![der(&issued)], &key, version).await;
                assert_eq!(refused(&prober, &server.endpoint()).await, "bad signature");
                assert_eq!(server.came(), 1);
            }
            // Of another kind.
            let server = careless(vec![der(&ecdsa())], &rsa(), version).await;
            let words = refused(&prober, &server.endpoint()).await;
            assert!(words.starts_with("wrong "), "{words}");
        }
    }

    #[tokio::test]
    async fn a_chain_that_cannot_be_read_is_refused() {
        let (issued, prober) =
            (Authority::new("ours").unwrap().issue(&["a.test"], -1, 30).unwrap(), prober());
        let key = PKey::private_key_from_pem(&issued.1).unwrap();
        for version in [&version::TLS12, &version::TLS13] {
            for chain in [vec![], vec![b"odd".to_vec()], vec![der(&issued), b"odd".to_vec()]] {
                let server = careless(chain, &key, version).await;
                // How OpenSSL says it is its own matter.
                refused(&prober, &server.endpoint()).await;
                assert_eq!(server.came(), 2);
            }
        }
    }
}
