//! A certificate, its chain and its key, proven to belong together.

use std::time::Duration;

use jiff::Timestamp;
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::Sha256;
use openssl::x509::X509;

use crate::certificate::inspect::{Certificate, parse_pem};
use crate::certificate::{KeyType, chain_expires};
use crate::model::{DnsName, Fingerprint, Secret, Version, format_duration};

/// What a bundle must be good for.
#[derive(Debug, Clone, Copy)]
pub struct Requirements<'a> {
    /// Names that the leaf must cover.
    pub names: &'a [DnsName],
    /// Now.
    pub now: Timestamp,
    /// It must be valid for at least this long.
    pub at_least: Duration,
}

/// One thing that is wrong with a certificate, its chain or its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The text holds no readable certificate.
    #[error("{0}")]
    Unreadable(String),
    /// The key cannot be read. Nothing of it is shown.
    #[error("the private key cannot be read: it must be PEM, and not encrypted")]
    UnreadableKey,
    /// The key is of another certificate.
    #[error("the private key does not fit the certificate of `{subject}`")]
    KeyDoesNotFit {
        /// The leaf's subject.
        subject: String,
    },
    /// The key can be broken.
    #[error("the private key has {bits} bits, and at least {least} are needed")]
    WeakKey {
        /// What it has.
        bits: u32,
        /// What is needed.
        least: u32,
    },
    /// The first certificate is a CA's.
    #[error("the first certificate, `{subject}`, is a CA's: the server's own must come first")]
    LeafIsCa {
        /// Its subject.
        subject: String,
    },
    /// A certificate did not sign the one before it.
    #[error("the chain is out of order: `{issuer}` did not sign `{subject}`, which stands before it")]
    OutOfOrder {
        /// Who should have been signed.
        subject: String,
        /// Who did not.
        issuer: String,
    },
    /// The leaf stands alone.
    #[error("the chain is incomplete: `{issuer}`, which signed the certificate, is missing")]
    Incomplete {
        /// Who is missing.
        issuer: String,
    },
    /// A name is not covered.
    #[error("the certificate does not cover `{name}`: it is for {covered}")]
    NameNotCovered {
        /// Which.
        name: DnsName,
        /// What it covers.
        covered: String,
    },
    /// It is no longer valid.
    #[error("`{subject}` expired on {not_after}")]
    Expired {
        /// Which certificate of the chain.
        subject: String,
        /// Since when.
        not_after: Timestamp,
    },
    /// It is not valid yet.
    #[error("`{subject}` is not valid before {not_before}: is this machine's clock right?")]
    NotYetValid {
        /// Which certificate of the chain.
        subject: String,
        /// From when.
        not_before: Timestamp,
    },
    /// It will not be valid for long enough.
    #[error("`{subject}` expires on {not_after}, and at least {} are needed", format_duration(*.at_least))]
    ExpiresSoon {
        /// Which certificate of the chain.
        subject: String,
        /// When.
        not_after: Timestamp,
        /// What was asked for.
        at_least: Duration,
    },
}

/// RSA keys below this are refused by CAs and clients (CA/Browser Forum Baseline Requirements, 6.1.5).
const LEAST_RSA_BITS: u32 = 2048;
/// Curves below P-256 are no longer accepted.
const LEAST_EC_BITS: u32 = 256;

/// A certificate, its chain and its key. There is one only if all is well.
#[derive(Debug, Clone)]
pub struct Bundle {
    chain: Vec<Certificate>,
    key: Secret,
    version: Version,
}

impl Bundle {
    /// Proves that a chain (leaf first) and a key can be served. `issued` names the version.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn prove(
        chain_pem: &[u8],
        key_pem: &Secret,
        issued: Timestamp,
        required: &Requirements<'_>,
    ) -> Result<Self, Vec<Defect>> {
        let mut defects = Vec::new();
        let key = read_key(key_pem);
        if key.is_none() {
            defects.push(Defect::UnreadableKey);
        }
        let chain = match parse_pem(chain_pem) {
            Ok(chain) => chain,
            Err(error) => {
                defects.push(Defect::Unreadable(error.to_string()));
                return Err(defects);
            }
        };
        let Some(leaf) = chain.first() else { return Err(defects) };
        if let Some(key) = &key {
            defects.extend(key_defects(leaf, key));
        }
        defects.extend(chain_defects(&chain));
        defects.extend(name_defects(leaf, required.names));
        defects.extend(chain.iter().filter_map(|certificate| date_defect(certificate, required)));
        match key.as_ref().and_then(|key| key.private_key_to_pem_pkcs8().ok()) {
            Some(key) if defects.is_empty() => {
                let version = Version::new(issued, &leaf.fingerprint, &content([chain.as_slice()]));
                Ok(Self { version, key: Secret::new(key), chain })
            }
            _ => Err(defects),
        }
    }

    /// The same under the name that it already has.
    pub fn with_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The kind of its key; none for a kind that certwave does not make.
    pub fn key_type(&self) -> Option<KeyType> {
        self.leaf().key_type()
    }

    /// The same as if it had been issued then.
    pub fn issued_at(self, issued: Timestamp) -> Self {
        let version = Version::new(issued, &self.leaf().fingerprint, &self.content());
        self.with_version(version)
    }

    /// The SHA-256 over all that is installed of it but the key, which the leaf stands for.
    pub fn content(&self) -> Fingerprint {
        content([self.chain.as_slice()])
    }

    /// The version: when it was issued, which leaf, and which content.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> &Certificate {
        // A bundle is made of at least one.
        &self.chain[0]
    }

    /// All certificates, leaf first.
    pub(super) fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The fingerprints of all certificates, leaf first.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.chain.iter().map(|certificate| certificate.fingerprint).collect()
    }

    /// When the first of the chain expires.
    pub fn expires(&self) -> Timestamp {
        chain_expires(&self.chain).unwrap_or(Timestamp::MIN)
    }

    /// The chain, leaf first, each in DER.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|certificate| certificate.der.clone()).collect()
    }

    /// The private key: PKCS#8 in PEM (RFC 5958, RFC 7468).
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// The leaf in PEM.
    pub fn cert_pem(&self) -> Vec<u8> {
        encode(&self.chain[..1])
    }

    /// What stands between the leaf and the root, in PEM; may be empty.
    pub fn chain_pem(&self) -> Vec<u8> {
        encode(&self.chain[1..])
    }

    /// Leaf and chain in PEM, encoded anew: no blank lines and no text around, which HAProxy would cut at.
    pub fn fullchain_pem(&self) -> Vec<u8> {
        encode(&self.chain)
    }
}

/// The SHA-256 over chains, each with how many certificates it has.
pub(super) fn content<'c>(chains: impl IntoIterator<Item = &'c [Certificate]>) -> Fingerprint {
    let mut all = Sha256::new();
    for chain in chains {
        all.update(&chain.len().to_be_bytes());
        chain.iter().for_each(|certificate| all.update(&certificate.der));
    }
    Fingerprint::new(all.finish())
}

fn encode(chain: &[Certificate]) -> Vec<u8> {
    // What was parsed from DER is encoded from it again.
    chain.iter().filter_map(|one| X509::from_der(&one.der).ok()?.to_pem().ok()).flatten().collect()
}

/// A private key that is not encrypted.
pub(super) fn read_key(pem: &Secret) -> Option<PKey<Private>> {
    // An empty pass phrase instead of a question on the terminal.
    PKey::private_key_from_pem_callback(pem.expose(), |_| Ok(0)).ok()
}

/// Whether a key is a certificate's.
pub(super) fn key_fits(leaf: &Certificate, key: &PKey<Private>) -> bool {
    let public = X509::from_der(&leaf.der).and_then(|leaf| leaf.public_key()).ok();
    public.is_some_and(|public| public.public_eq(key))
}

fn key_defects(leaf: &Certificate, key: &PKey<Private>) -> Option<Defect> {
    if !key_fits(leaf, key) {
        return Some(Defect::KeyDoesNotFit { subject: leaf.subject.clone() });
    }
    let least = match key.id() {
        Id::RSA | Id::RSA_PSS => LEAST_RSA_BITS,
        _ => LEAST_EC_BITS - 3,
    };
    (key.bits() < least).then(|| Defect::WeakKey { bits: key.bits(), least })
}

fn chain_defects(chain: &[Certificate]) -> Vec<Defect> {
    let mut defects = Vec::new();
    let leaf = &chain[0];
    if leaf.is_ca && chain.len() > 1 {
        defects.push(Defect::LeafIsCa { subject: leaf.subject.clone() });
    }
    for pair in chain.windows(2) {
        if !pair[0].is_signed_by(&pair[1]) {
            let (subject, issuer) = (pair[0].subject.clone(), pair[1].subject.clone());
            defects.push(Defect::OutOfOrder { subject, issuer });
        }
    }
    // A public CA never signs leaves by its root, so a leaf alone lacks its intermediate.
    if chain.len() == 1 && !leaf.is_self_signed() {
        defects.push(Defect::Incomplete { issuer: leaf.issuer.clone() });
    }
    defects
}

fn name_defects(leaf: &Certificate, names: &[DnsName]) -> Vec<Defect> {
    let covered = || match leaf.names.as_slice() {
        [] => "no name at all".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let missing = names.iter().filter(|name| !leaf.covers(name));
    missing.map(|name| Defect::NameNotCovered { name: name.clone(), covered: covered() }).collect()
}

fn date_defect(certificate: &Certificate, required: &Requirements<'_>) -> Option<Defect> {
    let subject = certificate.subject.clone();
    let (not_before, not_after) = (certificate.not_before, certificate.not_after);
    let at_least = required.at_least;
    if not_after <= required.now {
        Some(Defect::Expired { subject, not_after })
    } else if not_before > required.now {
        Some(Defect::NotYetValid { subject, not_before })
    } else if not_after.duration_since(required.now).unsigned_abs() < at_least {
        Some(Defect::ExpiresSoon { subject, not_after, at_least })
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
