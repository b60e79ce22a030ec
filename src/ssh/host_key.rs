//! Whether a host's key, or certificate, is the one that is known.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use openssl::sha::sha256;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use crate::ssh::known_hosts::{
    KnownHostsFile, KnownHostsLine, PublicKeyBlob, Says, listed_name, matches_pattern,
};

/// A key's type and its SHA-256 fingerprint, as OpenSSH prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Print(String);

impl Print {
    fn of(key: &PublicKeyBlob) -> Self {
        let algorithm = key.algorithm().unwrap_or("unknown");
        Self(format!("{algorithm} SHA256:{}", STANDARD_NO_PAD.encode(sha256(key.bytes()))))
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line of a file, as editors and compilers write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    file: PathBuf,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Why a host was not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostKeyRefused {
    #[error("read known hosts from {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "verify the host key: {name} is not in {}; it gave {got}; compare that with `ssh-keygen -lf` on the \
         host itself before you add this line to {}: {line}",
        file.display(), file.display()
    )]
    Unknown { name: String, got: Print, file: PathBuf, line: String },
    #[error(
        "verify the host key: THE KEY OF {name} HAS CHANGED, or somebody is in between: it gave {got}, but \
         {place} says {known}; only if you know why it changed, remove that line and add the new key"
    )]
    Changed { name: String, got: Print, known: Print, place: Place },
    #[error("verify the host key: {place} revokes the key {got} that {name} gave")]
    Revoked { name: String, got: Print, place: Place },
    #[error("verify the host certificate `{id}` of {name}, signed by the authority in {place}: {reason}")]
    Certificate { name: String, id: String, place: Place, reason: CertificateRefused },
}

/// Why a host certificate of a known authority does not count.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateRefused {
    #[error("it is a user's certificate")]
    NotHost,
    #[error("it is for {0:?}")]
    Name(Vec<String>),
    #[error("it has critical options, and none is defined for hosts")]
    Critical,
    #[error("it is signed with SHA-1")]
    Sha1,
    #[error("it has expired, is not valid yet, or its signature is wrong")]
    Invalid,
}

/// Files of known hosts, each read once.
#[derive(Default)]
pub(super) struct KnownHosts {
    files: Mutex<HashMap<PathBuf, FileCell>>,
}

type FileCell = Arc<tokio::sync::OnceCell<Arc<KnownHostsFile>>>;

impl KnownHosts {
    /// What these files say of a host. A file that does not exist says nothing.
    pub(super) async fn of(
        &self,
        paths: Vec<PathBuf>,
        address: &str,
        port: u16,
    ) -> Result<HostKeys, HostKeyRefused> {
        let mut files = Vec::with_capacity(paths.len());
        for path in &paths {
            let cell = self
                .files
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(path.clone())
                .or_default()
                .clone();
            files.push(cell.get_or_try_init(|| read(path)).await?.clone());
        }
        Ok(HostKeys::new(files, address, port))
    }
}

async fn read(path: &Path) -> Result<Arc<KnownHostsFile>, HostKeyRefused> {
    let owned = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let text = match crate::bounded::read(&owned) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Vec::new()
            }
            other => other?,
        };
        Ok(Arc::new(KnownHostsFile::parse(&owned, &text)))
    });
    let unreadable = |source| HostKeyRefused::Unreadable { path: path.to_owned(), source };
    reading.await.map_err(|error| unreadable(error.into()))?.map_err(unreadable)
}

/// A line, and the file it is in.
type Found = (Arc<KnownHostsFile>, Place, Says, PublicKeyBlob);

/// All that is known of one host.
pub(super) struct HostKeys {
    /// `web01`, or `[web01]:2222`.
    name: String,
    /// Without the port: what a certificate's principals are matched with.
    address: String,
    /// Lines for the name with its port.
    listed: Vec<Found>,
    /// Lines for the address alone, where the port is not 22: OpenSSH believes a match there, too.
    portless: Vec<Found>,
    /// Where a new key belongs.
    file: PathBuf,
}

impl HostKeys {
    fn new(files: Vec<Arc<KnownHostsFile>>, address: &str, port: u16) -> Self {
        let address = address.trim_matches(['[', ']']).to_ascii_lowercase();
        let name = listed_name(&address, port);
        let find = |name: &str| {
            let mut found = Vec::new();
            for file in &files {
                for KnownHostsLine { number, says, key } in file.lines_of(name) {
                    let place = Place { file: file.path.clone(), line: *number };
                    found.push((file.clone(), place, *says, key.clone()));
                }
            }
            found
        };
        Self {
            listed: find(&name),
            portless: if port == 22 { Vec::new() } else { find(&address) },
            file: files.first().map(|file| file.path.clone()).unwrap_or_default(),
            name,
            address,
        }
    }

    fn all(&self, says: Says) -> impl Iterator<Item = &Found> {
        self.listed.iter().chain(&self.portless).filter(move |found| found.2 == says)
    }

    /// What to ask the host for: the types that are known first, as OpenSSH does. A host with an
    /// Ed25519 key, too, that is known by its ECDSA key would be a stranger otherwise.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let known: Vec<&str> = self.all(Says::Key).filter_map(|found| found.3.algorithm()).collect();
        let (mut first, rest): (Vec<_>, Vec<_>) =
            every_algorithm().into_iter().partition(|(name, _)| known.contains(name));
        first.extend(rest);
        first.into_iter().map(|(_, algorithm)| algorithm).collect()
    }

    /// The certificates to ask for: none where no authority is known, lest a host shows one that
    /// means nothing to us.
    pub(super) fn certificate_algorithms(&self) -> Vec<Algorithm> {
        match self.all(Says::Authority).next() {
            Some(_) => every_algorithm().into_iter().map(|(_, algorithm)| algorithm).collect(),
            None => Vec::new(),
        }
    }

    /// Judges what the host gave; its signature over the key exchange was verified before.
    pub(super) fn judge(&self, offered: &PublicKeyOrCertificate, now: u64) -> Result<(), HostKeyRefused> {
        let key = blob(&offered.public_key());
        self.not_revoked(&key)?;
        if let Some(certificate) = offered.certificate() {
            let authority = blob(&PublicKey::from(certificate.signature_key().clone()));
            self.not_revoked(&authority)?;
            if let Some((_, place, ..)) = self.all(Says::Authority).find(|found| found.3 == authority) {
                return self.judge_certificate(certificate, now).map_err(|reason| {
                    HostKeyRefused::Certificate {
                        name: self.name.clone(),
                        id: certificate.key_id().to_owned(),
                        place: place.clone(),
                        reason,
                    }
                });
            }
        }
        self.judge_key(&key)
    }

    /// A key that is revoked for the address is revoked on all its ports; OpenSSH is laxer there.
    fn not_revoked(&self, key: &PublicKeyBlob) -> Result<(), HostKeyRefused> {
        match self.all(Says::Revoked).find(|found| found.3 == *key) {
            None => Ok(()),
            Some((_, place, ..)) => Err(HostKeyRefused::Revoked {
                name: self.name.clone(),
                got: Print::of(key),
                place: place.clone(),
            }),
        }
    }

    fn judge_key(&self, key: &PublicKeyBlob) -> Result<(), HostKeyRefused> {
        let (name, got) = (self.name.clone(), Print::of(key));
        let mut listed = self.listed.iter().filter(|found| found.2 == Says::Key);
        if listed.clone().any(|found| found.3 == *key) {
            return Ok(());
        }
        if let Some((_, place, _, known)) = listed.find(|found| found.3.algorithm() == key.algorithm()) {
            return Err(HostKeyRefused::Changed { name, got, known: Print::of(known), place: place.clone() });
        }
        if self.portless.iter().any(|found| found.2 == Says::Key && found.3 == *key) {
            return Ok(());
        }
        let algorithm = key.algorithm().unwrap_or("unknown");
        let line = format!("{name} {algorithm} {}", STANDARD.encode(key.bytes()));
        Err(HostKeyRefused::Unknown { name, got, file: self.file.clone(), line })
    }

    /// What OpenSSH demands of a host certificate (PROTOCOL.certkeys): no principal at all means any.
    fn judge_certificate(&self, certificate: &Certificate, now: u64) -> Result<(), CertificateRefused> {
        if certificate.cert_type() != CertType::Host {
            return Err(CertificateRefused::NotHost);
        }
        if certificate.critical_options().iter().next().is_some() {
            return Err(CertificateRefused::Critical);
        }
        if certificate.signature().algorithm() == (Algorithm::Rsa { hash: None }) {
            return Err(CertificateRefused::Sha1);
        }
        let principals = certificate.valid_principals();
        if !principals.is_empty() && !principals.iter().any(|name| matches_pattern(name, &self.address)) {
            return Err(CertificateRefused::Name(principals.to_vec()));
        }
        // That the authority is trusted was found out by whole keys; this checks signature and time.
        let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
        certificate.validate_at(now, [&authority]).map_err(|_| CertificateRefused::Invalid)
    }
}

fn blob(key: &PublicKey) -> PublicKeyBlob {
    // A key that was just read from the wire can be written, too; were it not so, it matches nothing.
    PublicKeyBlob::new(key.to_bytes().unwrap_or_default())
}

/// The types of host keys by their name in `known_hosts`, best first. RSA only without SHA-1, as in
/// OpenSSH since 8.8.
fn every_algorithm() -> Vec<(&'static str, Algorithm)> {
    vec![
        ("ssh-ed25519", Algorithm::Ed25519),
        ("ecdsa-sha2-nistp256", Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }),
        ("ecdsa-sha2-nistp384", Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }),
        ("ecdsa-sha2-nistp521", Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 }),
        ("ssh-rsa", Algorithm::Rsa { hash: Some(HashAlg::Sha512) }),
        ("ssh-rsa", Algorithm::Rsa { hash: Some(HashAlg::Sha256) }),
    ]
}
