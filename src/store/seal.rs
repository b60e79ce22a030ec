//! Sealing: what is sealed can be opened by who has the key, with certwave or with `openssl cms`.
//!
//! The format is CMS: AuthEnvelopedData (RFC 5083) with AES-256-GCM (RFC 5084), in PEM. The content's key is new for
//! each secret, and agreed on with a key of its own (ephemeral-static ECDH, RFC 5753, section 3.1).

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::symm::Cipher;
use openssl::x509::extension::KeyUsage;
use openssl::x509::{X509, X509NameBuilder};

use crate::model::Secret;

/// A key to seal with and to open with, and the certificate by which CMS names it.
#[derive(Debug)]
pub(super) struct Seal {
    key: PKey<Private>,
    certificate: X509,
}

/// Why something that was sealed stays closed.
#[derive(Debug)]
pub(super) enum Closed {
    /// It names another key.
    OtherKey,
    /// It is not what was sealed, whether a byte was changed or is missing.
    Damaged(ErrorStack),
}

impl Seal {
    /// A new key on P-256, in a certificate that says nothing but whose key it is.
    pub(super) fn generate() -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_text("CN", "certwave sealing key")?;
        let name = name.build();
        // A sealed file names its key by issuer and serial number.
        let mut serial = BigNum::new()?;
        serial.rand(127, MsbOption::ONE, false)?;
        let serial: Asn1Integer = serial.to_asn1_integer()?;
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        // No well-defined end (RFC 5280, section 4.1.2.5).
        builder.set_not_after(&*Asn1Time::from_str("99991231235959Z")?)?;
        builder.set_pubkey(&key)?;
        builder.append_extension(KeyUsage::new().critical().key_agreement().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { key, certificate: builder.build() })
    }

    /// As it was written by [`Seal::to_pem`]; none where it is not that.
    pub(super) fn from_pem(pem: &Secret) -> Option<Self> {
        // An encrypted key is not asked about: nobody may be there.
        let key = PKey::private_key_from_pem_callback(pem.expose(), |_| Ok(0)).ok()?;
        let certificate = X509::from_pem(pem.expose()).ok()?;
        let own = certificate.public_key().is_ok_and(|public| public.public_eq(&key));
        own.then_some(Self { key, certificate })
    }

    /// The key (PKCS#8) and its certificate, PEM.
    pub(super) fn to_pem(&self) -> Result<Secret, ErrorStack> {
        let key = Secret::new(self.key.private_key_to_pem_pkcs8()?);
        Ok(Secret::new([key.expose(), &self.certificate.to_pem()?].concat()))
    }

    /// Seals a secret: PEM that may lie where others look.
    pub(super) fn seal(&self, secret: &Secret) -> Result<Vec<u8>, ErrorStack> {
        let mut recipients = Stack::new()?;
        recipients.push(self.certificate.clone())?;
        // Binary: the bytes as they are, without line endings of mail.
        let options = CMSOptions::BINARY;
        CmsContentInfo::encrypt(&recipients, secret.expose(), Cipher::aes_256_gcm(), options)?.to_pem()
    }

    /// Opens what was sealed with this key.
    pub(super) fn open(&self, sealed: &[u8]) -> Result<Secret, Closed> {
        let content = CmsContentInfo::from_pem(sealed).map_err(Closed::Damaged)?;
        // Asked before: of OpenSSL's errors none tells that it is another key.
        if !self.is_named_in(&content).map_err(Closed::Damaged)? {
            return Err(Closed::OtherKey);
        }
        content.decrypt(&self.key, &self.certificate).map(Secret::new).map_err(Closed::Damaged)
    }

    /// Whether the recipient is our certificate: its IssuerAndSerialNumber (RFC 5652, section 10.2.4) is in there.
    fn is_named_in(&self, content: &CmsContentInfo) -> Result<bool, ErrorStack> {
        let mut serial = self.certificate.serial_number().to_bn()?.to_vec();
        if serial.first().is_none_or(|first| *first >= 0x80) {
            // An INTEGER of DER has a sign.
            serial.insert(0, 0);
        }
        let mut name = self.certificate.issuer_name().to_der()?;
        // At most 20 bytes (RFC 5280, section 4.1.2.2): their number is one byte.
        name.extend([0x02, u8::try_from(serial.len()).unwrap_or(u8::MAX)]);
        name.extend(serial);
        Ok(content.to_der()?.windows(name.len()).any(|window| window == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn secret() -> Secret {
        Secret::new(b"-----BEGIN PRIVATE KEY-----\r\nbytes\n\0\xff".to_vec())
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_read_again_and_by_no_other() {
        let seal = Seal::generate().unwrap();
        let sealed = seal.seal(&secret()).unwrap();
        assert!(sealed.starts_with(b"-----BEGIN CMS-----"));
        assert!(!sealed.windows(5).any(|window| window == b"bytes"));
        let again = Seal::from_pem(&seal.to_pem().unwrap()).unwrap();
        assert_eq!(again.open(&sealed).unwrap().expose(), secret().expose());
        assert!(matches!(Seal::generate().unwrap().open(&sealed), Err(Closed::OtherKey)));
        // The same secret does not look the same.
        assert_ne!(seal.seal(&secret()).unwrap(), sealed);
    }

    #[test]
    fn no_changed_bit_changes_what_comes_out() {
        let seal = Seal::generate().unwrap();
        let der = CmsContentInfo::from_pem(&seal.seal(&secret()).unwrap()).unwrap().to_der().unwrap();
        let mut refused = 0;
        for at in 0..der.len() * 8 {
            let mut bytes = der.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let pem = CmsContentInfo::from_der(&bytes).and_then(|content| content.to_pem());
            match pem.map_err(Closed::Damaged).and_then(|pem| seal.open(&pem)) {
                // Such as a version number, which nothing depends on.
                Ok(opened) => assert_eq!(opened.expose(), secret().expose(), "bit {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > der.len() * 8 * 9 / 10, "{refused} of {}", der.len() * 8);
        // Every bit of what was sealed, and of the tag: they are the end.
        for at in 1..=secret().expose().len() + 16 {
            let mut bytes = der.clone();
            let place = bytes.len() - at;
            bytes[place] ^= 1;
            let opened = CmsContentInfo::from_der(&bytes).map(|content| content.to_pem().unwrap());
            assert!(opened.is_err() || seal.open(&opened.unwrap()).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_key_that_is_none_or_has_anothers_certificate_is_refused() {
        assert!(Seal::from_pem(&Secret::new(b"nothing".to_vec())).is_none());
        let (one, other) = (Seal::generate().unwrap(), Seal::generate().unwrap());
        let crossed = Seal { key: one.key, certificate: other.certificate };
        assert!(Seal::from_pem(&crossed.to_pem().unwrap()).is_none());
    }

    /// The command line of `docs/security.md`.
    #[test]
    fn openssl_opens_it_without_certwave() {
        let command = "openssl cms -decrypt -inform PEM -in privkey.pem.cms -inkey seal.pem";
        let docs = include_str!("../../docs/security.md");
        assert!(docs.contains(command), "`{command}` is not in docs/security.md");
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::generate().unwrap();
        std::fs::write(folder.path().join("seal.pem"), seal.to_pem().unwrap().expose()).unwrap();
        std::fs::write(folder.path().join("privkey.pem.cms"), seal.seal(&secret()).unwrap()).unwrap();
        let mut words = command.split(' ');
        let mut openssl = Command::new(words.next().unwrap());
        let output = openssl.args(words).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, secret().expose());
    }
}
