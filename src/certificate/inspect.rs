//! What a certificate says.

use jiff::Timestamp;
use openssl::sha::sha256;
use openssl::x509::X509;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384};
use x509_parser::prelude::{AlgorithmIdentifier, FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::certificate::{KeyAlgorithm, KeyType};
use crate::model::{DnsName, Fingerprint, Serial, visible};

/// A certificate, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The encoding itself (X.690 DER).
    pub der: Vec<u8>,
    /// SHA-256 of the encoding.
    pub fingerprint: Fingerprint,
    /// Serial number.
    pub serial: Serial,
    /// DNS names and IP addresses of the subject alternative name, as text.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Who it is about.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Whether it may sign others (basic constraints, RFC 5280 section 4.2.1.9).
    pub is_ca: bool,
}

/// Why bytes are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate: {0}")]
pub struct UnreadableCertificate(String);

impl Certificate {
    /// Reads a DER encoding.
    ///
    /// # Errors
    /// When it is not one certificate, or its dates are out of range.
    pub fn from_der(der: &[u8]) -> Result<Self, UnreadableCertificate> {
        let unreadable = |reason: String| UnreadableCertificate(reason);
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable(format!("{} bytes follow it", rest.len())));
        }
        let time = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| unreadable(error.to_string()))
        };
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let names = alternative.map(|names| names.value.general_names.iter().filter_map(name_text).collect());
        Ok(Self {
            der: der.to_owned(),
            fingerprint: Fingerprint::new(sha256(der)),
            serial: Serial::from_bytes(parsed.raw_serial()),
            names: names.unwrap_or_default(),
            not_before: time(parsed.validity().not_before)?,
            not_after: time(parsed.validity().not_after)?,
            subject: visible(&parsed.subject().to_string()),
            issuer: visible(&parsed.issuer().to_string()),
            is_ca: parsed.is_ca(),
        })
    }

    /// Whether the certificate is valid for a name (RFC 9525, section 6.3): a star stands for one whole
    /// label, the first.
    pub fn covers(&self, wanted: &DnsName) -> bool {
        let wanted = wanted.as_str();
        self.names.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            let name = name.trim_end_matches('.');
            match (name.strip_prefix("*."), wanted.split_once('.')) {
                (Some(rest), Some((first, parent))) if first != "*" => rest == parent,
                _ => name == wanted,
            }
        })
    }

    /// The kind of its key; none for a kind that certwave does not make. As the certificate says it, which costs
    /// microseconds: to have OpenSSL read a key costs a hundred times that, and a fleet has many.
    pub fn key_type(&self) -> Option<KeyType> {
        self.of_key(|key, algorithm| match key {
            PublicKey::EC(_) => match algorithm.parameters.as_ref()?.as_oid().ok()? {
                curve if curve == OID_EC_P256 => Some(KeyType::EcdsaP256),
                curve if curve == OID_NIST_EC_P384 => Some(KeyType::EcdsaP384),
                _ => None,
            },
            PublicKey::RSA(key) => match key.key_size() {
                2048 => Some(KeyType::Rsa2048),
                3072 => Some(KeyType::Rsa3072),
                4096 => Some(KeyType::Rsa4096),
                _ => None,
            },
            _ => None,
        })
    }

    /// What its key signs with; none for what certwave does not know.
    pub fn key_algorithm(&self) -> Option<KeyAlgorithm> {
        self.of_key(|key, _| match key {
            PublicKey::EC(_) => Some(KeyAlgorithm::Ecdsa),
            PublicKey::RSA(_) => Some(KeyAlgorithm::Rsa),
            _ => None,
        })
    }

    fn of_key<T>(
        &self,
        tell: impl FnOnce(PublicKey<'_>, &AlgorithmIdentifier<'_>) -> Option<T>,
    ) -> Option<T> {
        let (_, parsed) = X509Certificate::from_der(&self.der).ok()?;
        let key = parsed.public_key();
        tell(key.parsed().ok()?, &key.algorithm)
    }

    /// Whether `issuer` signed this one: the names match, and so does the signature.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let signed = || -> Result<bool, openssl::error::ErrorStack> {
            let this = X509::from_der(&self.der)?;
            let issuer = X509::from_der(&issuer.der)?;
            this.verify(&*issuer.public_key()?)
        };
        self.issuer == issuer.subject && signed().unwrap_or(false)
    }

    /// Whether it signed itself: a root.
    pub fn is_self_signed(&self) -> bool {
        self.is_signed_by(self)
    }
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(visible(name)),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(std::net::Ipv4Addr::from(four).to_string()),
            Err(_) => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

/// All certificates of a PEM text (RFC 7468), in order. Text around them, comments and keys are passed over.
///
/// # Errors
/// When a block is broken, or when there is none.
pub fn parse_pem(pem: &[u8]) -> Result<Vec<Certificate>, UnreadableCertificate> {
    let mut certificates = Vec::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(pem) {
        let block = block.map_err(|error| UnreadableCertificate(format!("broken PEM: {error}")))?;
        if matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            certificates.push(Certificate::from_der(&block.contents)?);
        }
    }
    if certificates.is_empty() {
        return Err(UnreadableCertificate("there is no `BEGIN CERTIFICATE` in it".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{self, LeafSpec};

    #[test]
    fn a_certificate_is_read() {
        let authority = testing::Authority::new("Test Root");
        let (leaf, _) = authority.issue(&LeafSpec { names: &["a.test", "*.b.test"], ..LeafSpec::default() });
        let pem = testing::pem(&[&leaf]);
        let text = format!("some words\r\n{}", String::from_utf8(pem).unwrap());
        assert_eq!(parse_pem(text.as_bytes()).unwrap(), std::slice::from_ref(&leaf));
        let covers = |name: &str| leaf.covers(&name.parse().unwrap());
        assert!(covers("a.test") && covers("x.b.test") && covers("*.b.test"));
        assert!(!covers("b.test") && !covers("x.y.b.test") && !covers("x.a.test"));
        assert!(leaf.is_signed_by(&authority.certificate) && !leaf.is_self_signed());
        assert!(authority.certificate.is_self_signed() && authority.certificate.is_ca && !leaf.is_ca);
    }

    #[test]
    fn a_key_is_told_by_its_kind() {
        use openssl::bn::BigNum;
        use openssl::nid::Nid;
        use openssl::pkey::{PKey, Private, Public};
        use openssl::rsa::Rsa;

        let authority = testing::Authority::new("Test Root");
        let public =
            |key: PKey<Private>| PKey::public_key_from_der(&key.public_key_to_der().unwrap()).unwrap();
        let ec = |nid| public(testing::curve(nid));
        // To make such a key takes seconds, and who reads a certificate sees half of it alone.
        let rsa = |bits: i32| -> PKey<Public> {
            let mut modulus = BigNum::from_u32(1).unwrap();
            modulus.set_bit(bits - 1).unwrap();
            let exponent = BigNum::from_u32(65_537).unwrap();
            PKey::from_rsa(Rsa::from_public_components(modulus, exponent).unwrap()).unwrap()
        };
        let (ecdsa, rivest) = (Some(KeyAlgorithm::Ecdsa), Some(KeyAlgorithm::Rsa));
        for (key, kind, algorithm) in [
            (ec(Nid::X9_62_PRIME256V1), Some(KeyType::EcdsaP256), ecdsa),
            (ec(Nid::SECP384R1), Some(KeyType::EcdsaP384), ecdsa),
            (ec(Nid::SECP521R1), None, ecdsa),
            (rsa(1024), None, rivest),
            (rsa(2048), Some(KeyType::Rsa2048), rivest),
            (rsa(3072), Some(KeyType::Rsa3072), rivest),
            (rsa(4096), Some(KeyType::Rsa4096), rivest),
            (rsa(8192), None, rivest),
            (public(PKey::generate_ed25519().unwrap()), None, None),
        ] {
            let leaf = authority.certify(&key, &LeafSpec::default());
            assert_eq!((leaf.key_type(), leaf.key_algorithm()), (kind, algorithm), "{kind:?}");
        }
    }

    #[test]
    fn a_star_stands_for_one_whole_label_and_case_for_nothing() {
        let authority = testing::Authority::new("Test Root");
        for (of_leaf, wanted, covered) in [
            ("a.test", "a.test", true),
            ("A.Test", "a.test", true),
            ("a.test.", "a.test", true),
            ("a.test", "b.a.test", false),
            ("b.a.test", "a.test", false),
            ("*.a.test", "x.a.test", true),
            ("*.A.test.", "x.a.test", true),
            ("*.a.test", "a.test", false),
            ("*.a.test", "x.y.a.test", false),
            ("*.a.test", "*.a.test", true),
            ("*.a.test", "*.b.test", false),
            ("x*.a.test", "xy.a.test", false),
            ("x.*.test", "x.a.test", false),
        ] {
            let (leaf, _) = authority.issue(&LeafSpec { names: &[of_leaf], ..LeafSpec::default() });
            assert_eq!(leaf.covers(&wanted.parse().unwrap()), covered, "{of_leaf} and {wanted}");
            // Wherever the name stands.
            let both = LeafSpec { names: &["other.example", of_leaf], ..LeafSpec::default() };
            assert_eq!(authority.issue(&both).0.covers(&wanted.parse().unwrap()), covered);
        }
    }

    #[test]
    fn addresses_of_either_family_are_names() {
        let authority = testing::Authority::new("Test Root");
        let spec = LeafSpec { names: &["a.test", "192.0.2.7", "2001:db8::7"], ..LeafSpec::default() };
        let (leaf, _) = authority.issue(&spec);
        assert_eq!(leaf.names, ["a.test", "192.0.2.7", "2001:db8::7"]);
    }

    #[test]
    fn who_signed_is_told_by_name_and_by_signature() {
        let (root, key) = (testing::Authority::new("Test Root"), testing::new_key());
        let leaf = root.certify(&key, &LeafSpec::default());
        let namesake = testing::Authority::new("Test Root").certificate;
        assert!(leaf.is_signed_by(&root.certificate));
        assert!(!leaf.is_signed_by(&namesake));
        let renamed = root.renamed("Other Root");
        assert!(!leaf.is_signed_by(&renamed.certificate));
        assert!(renamed.certify(&key, &LeafSpec::default()).is_signed_by(&renamed.certificate));
    }

    #[test]
    fn a_root_is_what_signed_itself_and_a_ca_is_what_says_so() {
        for ca in [false, true] {
            let (alone, _) = testing::self_signed(&LeafSpec { ca, ..LeafSpec::default() });
            assert_eq!((alone.is_self_signed(), alone.is_ca), (true, ca));
            let middle = testing::Authority::new("Test Root").intermediate("Middle");
            let (leaf, _) = middle.issue(&LeafSpec { ca, ..LeafSpec::default() });
            assert_eq!((leaf.is_self_signed(), leaf.is_ca), (false, ca));
            assert!(middle.certificate.is_ca && !middle.certificate.is_self_signed());
        }
    }

    #[test]
    fn whatever_is_called_a_certificate_is_read() {
        let (leaf, key) = testing::self_signed(&LeafSpec::default());
        let pem = String::from_utf8(testing::pem(&[&leaf])).unwrap();
        for label in ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"] {
            let text = pem.replace("CERTIFICATE", label) + std::str::from_utf8(key.expose()).unwrap();
            assert_eq!(parse_pem(text.as_bytes()).unwrap(), std::slice::from_ref(&leaf), "{label}");
        }
        assert!(parse_pem(key.expose()).is_err());
    }

    #[test]
    fn junk_is_not_a_certificate() {
        assert!(parse_pem(b"").is_err());
        let odd = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        let (leaf, _) = testing::self_signed(&LeafSpec::default());
        for junk in [&odd[..], cut] {
            assert!(parse_pem(junk).is_err());
            // What comes after a good one is no better.
            assert!(parse_pem(&[&testing::pem(&[&leaf])[..], junk].concat()).is_err());
        }
        assert!(Certificate::from_der(&leaf.der).is_ok());
        let followed = Certificate::from_der(&[&leaf.der[..], b"!"].concat()).unwrap_err();
        assert_eq!(followed.to_string(), "not a certificate: 1 bytes follow it");
        assert!(Certificate::from_der(&leaf.der[..leaf.der.len() - 1]).is_err());
    }
}
