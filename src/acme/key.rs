//! A new key for every certificate, and the request to certify it.

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::X509ReqBuilder;
use openssl::x509::extension::SubjectAlternativeName;

use crate::certificate::KeyType;
use crate::model::DnsName;

/// A new private key. RSA takes a good part of a second.
///
/// # Errors
/// When OpenSSL refuses.
pub fn generate(kind: KeyType) -> Result<PKey<Private>, ErrorStack> {
    let curve = |id| {
        EcGroup::from_curve_name(id).and_then(|group| EcKey::generate(&group)).and_then(PKey::from_ec_key)
    };
    let rsa = |bits| Rsa::generate(bits).and_then(PKey::from_rsa);
    match kind {
        KeyType::EcdsaP256 => curve(Nid::X9_62_PRIME256V1),
        KeyType::EcdsaP384 => curve(Nid::SECP384R1),
        KeyType::Rsa2048 => rsa(2048),
        KeyType::Rsa3072 => rsa(3072),
        KeyType::Rsa4096 => rsa(4096),
    }
}

/// A certificate signing request (RFC 2986) for names, in DER. The subject stays empty: the names are in the
/// extension, where RFC 8555, section 7.4 wants them.
pub(super) fn request(key: &PKey<Private>, names: &[DnsName]) -> Result<Vec<u8>, ErrorStack> {
    let mut builder = X509ReqBuilder::new()?;
    builder.set_pubkey(key)?;
    let mut alternative = SubjectAlternativeName::new();
    for name in names {
        alternative.dns(name.as_str());
    }
    let mut extensions = Stack::new()?;
    extensions.push(alternative.build(&builder.x509v3_context(None))?)?;
    builder.add_extensions(&extensions)?;
    builder.sign(key, MessageDigest::sha256())?;
    builder.build().to_der()
}

#[cfg(test)]
mod tests {
    use openssl::x509::X509Req;

    use super::*;
    use crate::acme::testing::names;
    use crate::certificate::testing::{Authority, LeafSpec};

    #[test]
    fn a_key_is_of_the_kind_that_was_asked_for_and_new() {
        let authority = Authority::new("Root");
        for kind in [KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Rsa2048] {
            let key = generate(kind).unwrap();
            assert_eq!(authority.certify(&key, &LeafSpec::default()).key_type(), Some(kind));
        }
        let [one, other] = [(); 2].map(|()| generate(KeyType::EcdsaP256).unwrap());
        assert!(!one.public_eq(&other));
    }

    #[test]
    fn a_request_is_for_all_names_and_signed_by_the_key_that_it_is_for() {
        let key = generate(KeyType::EcdsaP256).unwrap();
        let request = X509Req::from_der(&request(&key, &names(&["a.test", "*.b.test"])).unwrap()).unwrap();
        assert!(request.verify(&key).unwrap() && request.public_key().unwrap().public_eq(&key));
        assert_eq!(request.subject_name().entries().count(), 0);
        let text = String::from_utf8(request.to_text().unwrap()).unwrap();
        assert!(text.contains("DNS:a.test, DNS:*.b.test"), "{text}");
    }
}
