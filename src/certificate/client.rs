//! A certificate that a client shows, and its key.

use jiff::Timestamp;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};

use crate::certificate::bundle::{key_fits, read_key};
use crate::certificate::{Defect, parse_pem};
use crate::model::Secret;

/// A client's certificate with its key, which fit each other. Whether a server trusts it is the server's affair.
#[derive(Clone)]
pub struct ClientIdentity {
    chain: Vec<Vec<u8>>,
    key: PKey<Private>,
}

impl ClientIdentity {
    /// Reads a certificate with whatever follows it of its chain, and its key, both in PEM. Its dates count where the time
    /// is given: a server may take what has expired.
    ///
    /// # Errors
    /// With everything that is wrong with the certificate, and with the key.
    pub fn prove(chain_pem: &[u8], key_pem: &Secret, now: Option<Timestamp>) -> Result<Self, ClientDefects> {
        let (chain, key) = (parse_pem(chain_pem), read_key(key_pem));
        let mut defects = ClientDefects::default();
        match &chain {
            Err(error) => defects.certificate.push(Defect::Unreadable(error.to_string())),
            Ok(chain) => {
                let Some(leaf) = chain.first() else {
                    defects.certificate.push(Defect::Unreadable("the file holds no certificate".to_owned()));
                    return Err(defects);
                };
                if now.is_some_and(|now| leaf.not_after <= now) {
                    let (subject, not_after) = (leaf.subject.clone(), leaf.not_after);
                    defects.certificate.push(Defect::Expired { subject, not_after });
                } else if now.is_some_and(|now| leaf.not_before > now) {
                    let (subject, not_before) = (leaf.subject.clone(), leaf.not_before);
                    defects.certificate.push(Defect::NotYetValid { subject, not_before });
                }
                if key.as_ref().is_some_and(|key| !key_fits(leaf, key)) {
                    defects.key.push(Defect::KeyDoesNotFit { subject: leaf.subject.clone() });
                }
            }
        }
        if key.is_none() {
            defects.key.push(Defect::UnreadableKey);
        }
        match (chain, key) {
            (Ok(chain), Some(key)) if defects.is_empty() => {
                Ok(Self { chain: chain.into_iter().map(|one| one.der).collect(), key })
            }
            _ => Err(defects),
        }
    }

    /// The certificates in DER, the client's own first.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The key.
    pub fn key(&self) -> &PKey<Private> {
        &self.key
    }

    /// The key in PKCS #8 (RFC 5958), in DER.
    ///
    /// # Errors
    /// When OpenSSL cannot write it.
    pub fn key_der(&self) -> Result<Vec<u8>, ErrorStack> {
        self.key.private_key_to_pkcs8()
    }
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientIdentity")
    }
}

/// What is wrong with a client's certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientDefects {
    /// With the certificate.
    pub certificate: Vec<Defect>,
    /// With the key.
    pub key: Vec<Defect>,
}

impl ClientDefects {
    fn is_empty(&self) -> bool {
        self.certificate.is_empty() && self.key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;
    use openssl::symm::Cipher;

    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, now, pem, rsa_key};

    #[test]
    fn a_clients_certificate_needs_a_key_that_fits_and_dates_that_are_right() {
        let root = Authority::new("Clients");
        let (leaf, key) = root.issue(&LeafSpec { for_clients: true, ..LeafSpec::default() });
        let (_, other) = root.issue(&LeafSpec::default());
        let prove = |chain: &[u8], key: &Secret| ClientIdentity::prove(chain, key, Some(now()));
        let chain = pem(&[&leaf]);
        // Alone, and with its chain.
        assert_eq!(prove(&chain, &key).unwrap().chain().len(), 1);
        assert_eq!(prove(&pem(&[&leaf, &root.certificate]), &key).unwrap().chain().len(), 2);
        let subject = leaf.subject.clone();
        let told = |chain: &[u8], key: &Secret| prove(chain, key).unwrap_err();
        assert_eq!(told(&chain, &other).key, [Defect::KeyDoesNotFit { subject }]);
        let encrypted = rsa_key().private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"x").unwrap();
        assert_eq!(told(&chain, &Secret::new(encrypted)).key, [Defect::UnreadableKey]);
        assert_eq!(told(&chain, &Secret::new(b"odd".to_vec())).key, [Defect::UnreadableKey]);
        for odd in [&b""[..], b"odd"] {
            assert!(matches!(told(odd, &key).certificate[..], [Defect::Unreadable(_)]));
        }
        let expired = root.issue(&LeafSpec { from_days: -9, to_days: -1, ..LeafSpec::default() });
        assert!(matches!(told(&pem(&[&expired.0]), &expired.1).certificate[..], [Defect::Expired { .. }]));
        let early = root.issue(&LeafSpec { from_days: 2, to_days: 9, ..LeafSpec::default() });
        assert!(matches!(told(&pem(&[&early.0]), &early.1).certificate[..], [Defect::NotYetValid { .. }]));
        assert!(ClientIdentity::prove(&pem(&[&expired.0]), &expired.1, None).is_ok());
        // Both at once.
        let both = told(b"odd", &Secret::new(Vec::new()));
        assert_eq!((both.certificate.len(), both.key.len()), (1, 1));
        let _ = PKey::private_key_from_der(&prove(&chain, &key).unwrap().key_der().unwrap()).unwrap();
    }
}
