//! Handshakes with OpenSSL, which speaks with old and odd servers, too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{
    Ssl, SslContext, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVerifyMode, StatusType,
};
use openssl::x509::X509;
use tokio_openssl::SslStream;

use crate::certificate::ClientIdentity;
use crate::ports::BoxedStream;
use crate::tls::alert;
use crate::tls::client_request::{Ending, refusal};
use crate::tls::handshake::{CLOSED, ForKey, Handshake, HandshakeError, Shaken, offered};
use crate::verify::{ClientCertificate, Endpoint};

/// What is offered up to TLS 1.2: all that OpenSSL calls fit, but for what would show no certificate.
const CIPHERS: &str = "DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK";
/// Signature algorithms that leave the server no choice of its certificate (RFC 8446, section 4.2.3).
const ECDSA: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512";
const RSA: &str = "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

/// Handshakes with OpenSSL.
#[derive(Clone)]
pub(super) struct OpensslHandshakes {
    contexts: ForKey<SslContext>,
    /// What is shown to servers that ask for it.
    identities: Arc<HashMap<ClientCertificate, ClientIdentity>>,
}

impl OpensslHandshakes {
    /// Ready for every endpoint.
    pub(super) fn new(identities: HashMap<ClientCertificate, ClientIdentity>) -> Result<Self, ErrorStack> {
        let contexts = ForKey { any: context(None)?, ecdsa: context(Some(ECDSA))?, rsa: context(Some(RSA))? };
        Ok(Self { contexts, identities: Arc::new(identities) })
    }

    /// OpenSSL's security level, which weak keys are refused by.
    pub(super) fn level(&self) -> u32 {
        self.contexts.any.security_level()
    }

    fn prepare(&self, endpoint: &Endpoint, protocol: Option<&[u8]>) -> Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(self.contexts.of(endpoint.key))?;
        let name = endpoint.server_name.as_str();
        // An address is not sent as a name (RFC 6066, section 3).
        if name.parse::<IpAddr>().is_err() {
            ssl.set_hostname(name)?;
        }
        ssl.set_status_type(StatusType::OCSP)?;
        let protocols = offered(endpoint, protocol);
        if !protocols.is_empty() {
            let with_length = |protocol: &Vec<u8>| {
                [&[u8::try_from(protocol.len()).unwrap_or(u8::MAX)], protocol.as_slice()].concat()
            };
            ssl.set_alpn_protos(&protocols.iter().flat_map(with_length).collect::<Vec<u8>>())?;
        }
        if let Some(identity) = endpoint.client_certificate().and_then(|files| self.identities.get(files)) {
            let mut chain = identity.chain().iter().map(|der| X509::from_der(der));
            if let Some(own) = chain.next() {
                ssl.set_certificate(own?.as_ref())?;
            }
            for other in chain {
                ssl.add_chain_cert(other?)?;
            }
            ssl.set_private_key(identity.key())?;
        }
        Ok(ssl)
    }
}

fn context(signatures: Option<&str>) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    // The handshake comes to its end whatever is served; what is wrong is read off afterwards, and so is whether the
    // chain is trusted: here no root is known.
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_cipher_list(CIPHERS)?;
    builder.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::ENABLE_PARTIAL_WRITE
            // A connection with a request in flight is kept for as long as its host is switched.
            | SslMode::RELEASE_BUFFERS,
    );
    // A resumed session would show the certificate of its first handshake, not today's.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::ALL | SslOptions::NO_COMPRESSION | SslOptions::NO_TICKET);
    if let Some(signatures) = signatures {
        builder.set_sigalgs_list(signatures)?;
    }
    Ok(builder.build())
}

impl Handshake for OpensslHandshakes {
    async fn shake(
        &self,
        stream: BoxedStream,
        endpoint: &Endpoint,
        protocol: Option<&[u8]>,
    ) -> Result<Shaken, HandshakeError> {
        let words = |error: ErrorStack| HandshakeError::not_tls(error.to_string());
        let ssl = self.prepare(endpoint, protocol).map_err(words)?;
        let mut stream = SslStream::new(ssl, stream).map_err(words)?;
        Pin::new(&mut stream).connect().await.map_err(|error| failure(&error, endpoint))?;
        let sent = stream.ssl().peer_cert_chain();
        let chain = sent.into_iter().flatten().filter_map(|one| one.to_der().ok()).collect();
        let version = stream.ssl().version_str().to_owned();
        let staple = stream.ssl().ocsp_status().map(<[u8]>::to_vec);
        Ok(Shaken { chain, staple, version, stream: Box::new(stream), turn: None })
    }
}

fn failure(error: &openssl::ssl::Error, endpoint: &Endpoint) -> HandshakeError {
    let first = error.ssl_error().and_then(|stack| stack.errors().first()).and_then(alert::of_openssl);
    // What it was asked for, OpenSSL does not tell.
    let refused = first.and_then(|alert| refusal(Ending::Alert(alert), false, endpoint));
    refused.unwrap_or_else(|| HandshakeError::not_tls(reason(error)))
}

fn reason(error: &openssl::ssl::Error) -> String {
    match error.ssl_error().and_then(|stack| stack.errors().first()) {
        Some(first) => match alert::of_openssl(first) {
            Some(alert) => alert::words(alert),
            None => first.reason().unwrap_or("TLS failed").to_owned(),
        },
        None => match error.io_error() {
            Some(error) => error.to_string(),
            None => CLOSED.to_owned(),
        },
    }
}
