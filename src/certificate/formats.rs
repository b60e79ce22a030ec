//! A certificate together with its key in one file, as servers read that.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::stack::Stack;
use openssl::x509::X509;

use crate::certificate::Bundle;
use crate::model::Secret;

/// Rounds of the functions that turn the password into keys: what `openssl pkcs12 -export` takes by default.
const ROUNDS: u32 = 2048;

impl Bundle {
    /// Leaf, chain and private key in one, as HAProxy reads them.
    pub fn combined_pem(&self) -> Secret {
        Secret::new(self.fullchain_pem()).followed_by(self.key())
    }

    /// Private key, leaf and chain in one, as Postfix reads them (`smtpd_tls_chain_files` in postconf(5)).
    pub fn key_first_pem(&self) -> Secret {
        self.key().followed_by(&Secret::new(self.fullchain_pem()))
    }

    /// Private key, leaf and chain in one encrypted file (PKCS #12, RFC 7292): AES-256 and HMAC-SHA-256, which Java reads
    /// since 8u301.
    ///
    /// # Errors
    /// Where OpenSSL cannot make it.
    pub fn keystore(&self, password: &Secret) -> Result<Secret, ErrorStack> {
        let key = PKey::private_key_from_pem(self.key().expose())?;
        let mut chain = self.chain_der().into_iter();
        let leaf = X509::from_der(&chain.next().unwrap_or_default())?;
        let mut above = Stack::new()?;
        for certificate in chain {
            above.push(X509::from_der(&certificate)?)?;
        }
        let store = Pkcs12::builder()
            .name("certwave")
            .pkey(&key)
            .cert(&leaf)
            .ca(above)
            .key_algorithm(Nid::AES_256_CBC)
            .cert_algorithm(Nid::AES_256_CBC)
            .key_iter(ROUNDS)
            .mac_iter(ROUNDS)
            .mac_md(MessageDigest::sha256())
            .build2(&String::from_utf8_lossy(password.expose()))?;
        Ok(Secret::new(store.to_der()?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::certificate::Requirements;
    use crate::certificate::testing::{Authority, LeafSpec, now, pem};

    #[test]
    fn a_keystore_holds_key_leaf_and_chain_and_opens_with_its_password_alone() {
        let middle = Authority::new("Root").intermediate("Middle");
        let (leaf, key) = middle.issue(&LeafSpec::default());
        let required = Requirements { names: &[], now: now(), at_least: Duration::ZERO };
        let chain = [pem(&[&leaf]), pem(&[&middle.certificate])].concat();
        let bundle = Bundle::prove(&chain, &key, now(), &required).unwrap();
        let store = bundle.keystore(&Secret::new(b"open sesame".to_vec())).unwrap();
        let store = Pkcs12::from_der(store.expose()).unwrap();
        assert!(store.parse2("open").is_err());
        let opened = store.parse2("open sesame").unwrap();
        let chain: Vec<Vec<u8>> = [vec![opened.cert.unwrap()], opened.ca.unwrap().into_iter().collect()]
            .concat()
            .iter()
            .map(|one| one.to_der().unwrap())
            .collect();
        assert_eq!(chain, bundle.chain_der());
        assert_eq!(opened.pkey.unwrap().private_key_to_pem_pkcs8().unwrap(), bundle.key().expose());
    }
}
