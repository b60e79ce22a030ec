//! Handshakes with rustls: at less than half of OpenSSL's cost, but of TLS 1.2 and 1.3 alone, and of what they are
//! best spoken with.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, SignatureScheme, SupportedCipherSuite};
use tokio_rustls::TlsConnector;

use crate::ports::BoxedStream;
use crate::tls::any_chain::AnyChain;
use crate::tls::handshake::{ForKey, Handshake, HandshakeError, Shaken};
use crate::tls::incompatible::failure;
use crate::verify::Endpoint;

/// Signatures in the order in which OpenSSL offers them: a server with several certificates may choose by it. Those of
/// one kind alone leave it no choice (RFC 8446, section 4.2.3).
const ECDSA: &[SignatureScheme] =
    &[SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384];
const RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// Handshakes with rustls.
#[derive(Clone)]
pub(super) struct RustlsHandshakes(ForKey<TlsConnector>);

impl RustlsHandshakes {
    /// Ready for every endpoint.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        Ok(Self(ForKey {
            any: connector([ECDSA, &[SignatureScheme::ED25519], RSA].concat())?,
            ecdsa: connector(ECDSA.to_vec())?,
            rsa: connector(RSA.to_vec())?,
        }))
    }
}

fn connector(schemes: Vec<SignatureScheme>) -> Result<TlsConnector, rustls::Error> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|suite| match suite {
        // Up to TLS 1.2 they speak of the certificate, too.
        SupportedCipherSuite::Tls12(suite) => suite.sign.iter().any(|scheme| schemes.contains(scheme)),
        SupportedCipherSuite::Tls13(_) => true,
    });
    let verifier = AnyChain { algorithms: provider.signature_verification_algorithms, schemes };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A resumed session would show the certificate of its first handshake, not today's.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config).into())
}

impl Handshake for RustlsHandshakes {
    async fn shake(
        &self,
        stream: BoxedStream,
        endpoint: &Endpoint,
        protocol: Option<&[u8]>,
    ) -> Result<Shaken, HandshakeError> {
        // An address is not sent as a name (RFC 6066, section 3).
        let name = ServerName::try_from(endpoint.server_name.to_string())
            .map_err(|error| HandshakeError::Incompatible(error.to_string()))?;
        let offered = protocol.map(<[u8]>::to_vec).into_iter().collect();
        let connected = self.0.of(endpoint.key).with_alpn(offered).connect(name, stream).await;
        let stream = connected.map_err(|error| failure(&error))?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default().iter().map(|one| one.to_vec()).collect();
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        Ok(Shaken { chain, version: version.to_owned(), stream: Box::new(stream) })
    }
}
