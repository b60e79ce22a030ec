//! Every chain is taken, for it is judged afterwards. What a handshake proves is that the server has the leaf's key.

use std::cell::RefCell;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use openssl::x509::X509;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

tokio::task_local! {
    /// The OCSP answer that the handshake under way came with: rustls shows it to the verifier alone, which all
    /// handshakes share.
    static STAPLE: RefCell<Option<Vec<u8>>>;
}

/// What a handshake comes to, and the OCSP answer that the server stapled.
pub(super) async fn with_staple<T>(handshake: impl Future<Output = T>) -> (T, Option<Vec<u8>>) {
    let shaken = async {
        let ended = handshake.await;
        (ended, STAPLE.with(RefCell::take))
    };
    STAPLE.scope(RefCell::default(), shaken).await
}

type Signed = Result<HandshakeSignatureValid, Error>;

/// Takes every chain whose server has the key.
#[derive(Debug)]
pub(super) struct AnyChain {
    /// How signatures are verified.
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// Which are offered, the liked ones first.
    pub(super) schemes: Vec<SignatureScheme>,
}

impl AnyChain {
    fn offered(&self, signature: &DigitallySignedStruct) -> Result<(), Error> {
        match self.schemes.contains(&signature.scheme) {
            true => Ok(()),
            false => Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()),
        }
    }
}

impl ServerCertVerifier for AnyChain {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = STAPLE.try_with(|staple| staple.replace((!stapled.is_empty()).then(|| stapled.to_vec())));
        // OpenSSL refuses a handshake with a certificate that cannot be read, and is to say so.
        let readable = |one| matches!(X509Certificate::from_der(one), Ok(([], _)));
        match readable(leaf) && others.iter().all(|one| readable(one)) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        signed: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Signed {
        self.offered(signature)?;
        let verified = verify_tls12_signature(signed, leaf, signature, &self.algorithms);
        verified.or_else(|error| doubted(error, signed, leaf, signature))
    }

    fn verify_tls13_signature(
        &self,
        signed: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Signed {
        self.offered(signature)?;
        let verified = verify_tls13_signature(signed, leaf, signature, &self.algorithms);
        verified.or_else(|error| doubted(error, signed, leaf, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// A signature that ring finds bad may be of a key that ring does not take, such as a small one of RSA: OpenSSL, which
/// takes them all, has the last word.
fn doubted(error: Error, signed: &[u8], leaf: &[u8], signature: &DigitallySignedStruct) -> Signed {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => match fits(signed, leaf, signature) {
            Ok(true) => Ok(HandshakeSignatureValid::assertion()),
            Ok(false) | Err(_) => Err(error),
        },
        other => Err(other),
    }
}

fn fits(signed: &[u8], leaf: &[u8], signature: &DigitallySignedStruct) -> Result<bool, ErrorStack> {
    use SignatureScheme as Scheme;
    let digest = match signature.scheme {
        Scheme::ECDSA_NISTP256_SHA256 | Scheme::RSA_PKCS1_SHA256 | Scheme::RSA_PSS_SHA256 => {
            MessageDigest::sha256()
        }
        Scheme::ECDSA_NISTP384_SHA384 | Scheme::RSA_PKCS1_SHA384 | Scheme::RSA_PSS_SHA384 => {
            MessageDigest::sha384()
        }
        Scheme::RSA_PKCS1_SHA512 | Scheme::RSA_PSS_SHA512 => MessageDigest::sha512(),
        _ => return Ok(false),
    };
    let key = X509::from_der(leaf)?.public_key()?;
    let mut verifier = Verifier::new(digest, &key)?;
    if matches!(signature.scheme, Scheme::RSA_PSS_SHA256 | Scheme::RSA_PSS_SHA384 | Scheme::RSA_PSS_SHA512) {
        verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    }
    verifier.verify_oneshot(signature.signature(), signed)
}
