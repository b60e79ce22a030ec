//! Handshakes with rustls: at less than half of OpenSSL's cost, but of TLS 1.2 and 1.3 alone, and of what they are
//! best spoken with.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ProtocolVersion, SignatureScheme, SupportedCipherSuite};
use tokio_rustls::TlsConnector;

use crate::certificate::ClientIdentity;
use crate::ports::BoxedStream;
use crate::tls::any_chain::{AnyChain, with_staple};
use crate::tls::client_request::ClientRequest;
use crate::tls::handshake::{ForKey, Handshake, HandshakeError, Shaken, offered};
use crate::tls::incompatible::failure;
use crate::verify::{ClientCertificate, Endpoint};

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
pub(super) struct RustlsHandshakes {
    configs: ForKey<Arc<ClientConfig>>,
    /// What is shown to servers that ask for it; none for a key that rustls does not take.
    identities: Arc<HashMap<ClientCertificate, Option<Arc<CertifiedKey>>>>,
}

impl RustlsHandshakes {
    /// Ready for every endpoint.
    pub(super) fn new(
        identities: &HashMap<ClientCertificate, ClientIdentity>,
    ) -> Result<Self, rustls::Error> {
        let configs = ForKey {
            any: config([ECDSA, &[SignatureScheme::ED25519], RSA].concat())?,
            ecdsa: config(ECDSA.to_vec())?,
            rsa: config(RSA.to_vec())?,
        };
        let identities = identities.iter().map(|(files, one)| (files.clone(), certified(one))).collect();
        Ok(Self { configs, identities: Arc::new(identities) })
    }

    /// What the endpoint's server is shown if it asks; else why there is none, in words.
    fn identity(&self, endpoint: &Endpoint) -> Result<Option<Arc<CertifiedKey>>, String> {
        let Some(files) = endpoint.client_certificate() else { return Ok(None) };
        match self.identities.get(files) {
            Some(Some(identity)) => Ok(Some(identity.clone())),
            Some(None) => Err("rustls does not sign with the client certificate's key".to_owned()),
            None => Err(format!("`{}` was not read", files.certificate.display())),
        }
    }
}

fn certified(identity: &ClientIdentity) -> Option<Arc<CertifiedKey>> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key_der().ok()?));
    let key = ring::sign::any_supported_type(&key).ok()?;
    let chain = identity.chain().iter().cloned().map(CertificateDer::from).collect();
    Some(Arc::new(CertifiedKey::new(chain, key)))
}

fn config(schemes: Vec<SignatureScheme>) -> Result<Arc<ClientConfig>, rustls::Error> {
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
    Ok(Arc::new(config))
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
        let identity = self.identity(endpoint).map_err(HandshakeError::Incompatible)?;
        let request = Arc::new(ClientRequest::new(identity));
        // What a server asks for is known of each connection by itself.
        let mut config = ClientConfig::clone(self.configs.of(endpoint.key));
        config.client_auth_cert_resolver = request.clone();
        config.alpn_protocols = offered(endpoint, protocol);
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let (connected, staple) = with_staple(connecting).await;
        let stream = connected.map_err(|error| failure(&error, request.was_asked(), endpoint))?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default().iter().map(|one| one.to_vec()).collect();
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        Ok(Shaken { chain, staple, version: version.to_owned(), stream: Box::new(stream), turn: None })
    }
}
