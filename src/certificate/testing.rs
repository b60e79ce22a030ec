//! Throw-away certificate authorities for unit tests.

use std::sync::LazyLock;

use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

use crate::certificate::Certificate;
use crate::model::Secret;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// What a leaf should be.
pub(crate) struct LeafSpec<'a> {
    pub(crate) names: &'a [&'a str],
    pub(crate) from_days: i64,
    pub(crate) to_days: i64,
    pub(crate) ca: bool,
    /// It is signed by SHA-1.
    pub(crate) sha1: bool,
    /// It is for clients, and not for servers.
    pub(crate) for_clients: bool,
}

impl Default for LeafSpec<'_> {
    fn default() -> Self {
        let (names, from_days, to_days) = (&["a.test"][..], -1, 89);
        Self { names, from_days, to_days, ca: false, sha1: false, for_clients: false }
    }
}

impl LeafSpec<'_> {
    /// A CA's.
    pub(crate) fn ca() -> Self {
        Self { names: &[], ca: true, to_days: 1_000, ..Self::default() }
    }

    /// Valid whatever the clock of this machine says.
    pub(crate) fn lasting(self) -> Self {
        Self { from_days: -7_000, to_days: 7_000, ..self }
    }
}

pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    name: String,
    key: PKey<Private>,
}

pub(crate) fn new_key() -> PKey<Private> {
    curve(Nid::X9_62_PRIME256V1)
}

/// A new key on that curve.
pub(crate) fn curve(name: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(name).unwrap()).unwrap()).unwrap()
}

/// A key of RSA, always the same: to make one takes a while.
pub(crate) fn rsa_key() -> &'static PKey<Private> {
    static KEY: LazyLock<PKey<Private>> =
        LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());
    &KEY
}

pub(crate) fn key_pem(key: &PKey<Private>) -> Secret {
    Secret::new(key.private_key_to_pem_pkcs8().unwrap())
}

pub(crate) fn pem(certificates: &[&Certificate]) -> Vec<u8> {
    certificates.iter().flat_map(|one| X509::from_der(&one.der).unwrap().to_pem().unwrap()).collect()
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::root(name, new_key(), &LeafSpec { to_days: 3_650, ..LeafSpec::ca() })
    }

    /// A root of its own making.
    pub(crate) fn root(name: &str, key: PKey<Private>, root: &LeafSpec<'_>) -> Self {
        let certificate = build(name, &key, name, &key, root);
        Self { certificate, name: name.to_owned(), key }
    }

    /// The same key under another name.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        Self::root(name, self.key.clone(), &LeafSpec::ca())
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.under(name, new_key(), &LeafSpec::ca())
    }

    /// An intermediate of its own making.
    pub(crate) fn under(&self, name: &str, key: PKey<Private>, ca: &LeafSpec<'_>) -> Self {
        let certificate = build(name, &key, &self.name, &self.key, ca);
        Self { certificate, name: name.to_owned(), key }
    }

    pub(crate) fn issue(&self, leaf: &LeafSpec<'_>) -> (Certificate, Secret) {
        let key = new_key();
        (self.certify(&key, leaf), key_pem(&key))
    }

    /// For a key that is there already.
    pub(crate) fn certify(&self, key: &PKey<impl HasPublic>, leaf: &LeafSpec<'_>) -> Certificate {
        let subject = leaf.names.first().unwrap_or(&"leaf");
        build(subject, key, &self.name, &self.key, leaf)
    }
}

/// A certificate that signed itself, and its key.
pub(crate) fn self_signed(leaf: &LeafSpec<'_>) -> (Certificate, Secret) {
    let (subject, key) = (leaf.names[0], new_key());
    (build(subject, &key, subject, &key, leaf), key_pem(&key))
}

fn build(
    subject: &str,
    key: &PKey<impl HasPublic>,
    issuer: &str,
    signer: &PKey<Private>,
    leaf: &LeafSpec<'_>,
) -> Certificate {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        name.build()
    };
    let day = |days: i64| Asn1Time::from_unix(now().as_second() + days * 86_400).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name(issuer)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&day(leaf.from_days)).unwrap();
    builder.set_not_after(&day(leaf.to_days)).unwrap();
    if leaf.ca {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    if !leaf.names.is_empty() {
        let mut names = SubjectAlternativeName::new();
        leaf.names.iter().for_each(|one| {
            match one.parse::<std::net::IpAddr>() {
                Ok(_) => names.ip(one),
                Err(_) => names.dns(one),
            };
        });
        let names = names.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
    }
    if leaf.for_clients {
        builder.append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap()).unwrap();
    }
    let digest = if leaf.sha1 { MessageDigest::sha1() } else { MessageDigest::sha256() };
    builder.sign(signer, digest).unwrap();
    Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
}
