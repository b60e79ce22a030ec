//! A certificate authority of the lab's own: for what hosts serve before the first rollout.

use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

/// A throw-away authority.
pub struct Authority {
    root: X509,
    key: PKey<Private>,
}

impl Authority {
    /// A new root.
    ///
    /// # Errors
    /// When OpenSSL refuses.
    pub fn new(name: &str) -> Result<Self, ErrorStack> {
        let key = new_key()?;
        let root = build(name, &key, None, &[], 0, 3_650)?;
        Ok(Self { root, key })
    }

    /// The root in PEM.
    ///
    /// # Errors
    /// When OpenSSL refuses.
    pub fn root_pem(&self) -> Result<Vec<u8>, ErrorStack> {
        self.root.to_pem()
    }

    /// A certificate (PEM, the leaf alone) and its key (PEM), for names and IP addresses; its validity in
    /// days from now.
    ///
    /// # Errors
    /// When OpenSSL refuses.
    pub fn issue(
        &self,
        names: &[&str],
        from_days: i64,
        to_days: i64,
    ) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let key = new_key()?;
        Ok((self.certify(&key, names, from_days, to_days)?, key.private_key_to_pem_pkcs8()?))
    }

    /// A certificate (PEM, the leaf alone) for a key that is there already.
    ///
    /// # Errors
    /// When OpenSSL refuses.
    pub fn certify(
        &self,
        key: &PKey<Private>,
        names: &[&str],
        from_days: i64,
        to_days: i64,
    ) -> Result<Vec<u8>, ErrorStack> {
        let subject = names.first().copied().unwrap_or("lab");
        build(subject, key, Some((&self.root, &self.key)), names, from_days, to_days)?.to_pem()
    }
}

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn build(
    subject: &str,
    key: &PKey<Private>,
    issuer: Option<(&X509, &PKey<Private>)>,
    names: &[&str],
    from_days: i64,
    to_days: i64,
) -> Result<X509, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", subject)?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    let now = Timestamp::now().as_second();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(issuer.map_or(&name, |(issuer, _)| issuer.subject_name()))?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*Asn1Time::from_unix(now - 60 + from_days * 86_400)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(now + to_days * 86_400)?)?;
    if issuer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    }
    if !names.is_empty() {
        let mut alternative = SubjectAlternativeName::new();
        for name in names {
            match name.parse::<std::net::IpAddr>() {
                Ok(_) => alternative.ip(name),
                Err(_) => alternative.dns(name),
            };
        }
        let extension =
            alternative.build(&builder.x509v3_context(issuer.map(|(issuer, _)| &**issuer), None))?;
        builder.append_extension(extension)?;
    }
    builder.sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256())?;
    Ok(builder.build())
}
