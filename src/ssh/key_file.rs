//! The user's private key files, each read once.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{self, Certificate, PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// Why a key file is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    #[error("read the key {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("use the key {}: its permissions {mode:04o} let others read it (`chmod 600`)", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("read the key {}: it is no private key in OpenSSH, PKCS#8, PKCS#1 or SEC1 format", path.display())]
    Malformed { path: PathBuf, source: keys::Error },
    #[error("read the certificate {}", path.display())]
    Certificate { path: PathBuf, source: keys::ssh_key::Error },
}

/// What a key file holds.
#[derive(Debug)]
pub(super) enum KeyFile {
    /// A key, and the user certificate in `KEY-cert.pub` where there is one.
    Open { key: Arc<PrivateKey>, certificate: Option<Box<Certificate>> },
    /// It needs a passphrase. The public half is known from the file itself, or from `KEY.pub`.
    Encrypted { public: Option<PublicKey> },
}

type KeyCell = Arc<tokio::sync::OnceCell<Arc<KeyFile>>>;

/// Key files by path.
#[derive(Default)]
pub(super) struct Keyring {
    files: Mutex<HashMap<PathBuf, KeyCell>>,
}

impl Keyring {
    /// The file's content; read now, or before.
    pub(super) async fn get(&self, path: &Path) -> Result<Arc<KeyFile>, Arc<KeyFileError>> {
        let cell = self
            .files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(path.to_owned())
            .or_default()
            .clone();
        let owned = path.to_owned();
        let loaded = cell.get_or_try_init(|| async {
            let unreadable = |error: tokio::task::JoinError| {
                Err(KeyFileError::Unreadable { path: path.to_owned(), source: error.into() })
            };
            let loading = tokio::task::spawn_blocking(move || load(&owned));
            loading.await.unwrap_or_else(unreadable).map(Arc::new).map_err(Arc::new)
        });
        loaded.await.cloned()
    }
}

fn load(path: &Path) -> Result<KeyFile, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // The rule of ssh(1): a key that others can read is not used, and only its owner is told so.
    if metadata.uid() == nix::unistd::getuid().as_raw() && metadata.mode() & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
    }
    let text = Zeroizing::new(crate::bounded::read_text(path).map_err(unreadable)?);
    match keys::decode_secret_key(&text, None) {
        Ok(key) => Ok(KeyFile::Open { key: Arc::new(key), certificate: certificate(path)? }),
        Err(_) if is_encrypted(&text) => {
            let within = PrivateKey::from_openssh(text.as_bytes()).map(|key| key.public_key().clone());
            let public = within.ok().or_else(|| keys::load_public_key(beside(path, ".pub")).ok());
            Ok(KeyFile::Encrypted { public })
        }
        Err(source) => Err(KeyFileError::Malformed { path: path.to_owned(), source }),
    }
}

/// russh does not tell an encrypted PKCS#8 key from a broken one.
fn is_encrypted(text: &str) -> bool {
    text.contains("BEGIN ENCRYPTED PRIVATE KEY")
        || text.contains("Proc-Type: 4,ENCRYPTED")
        || PrivateKey::from_openssh(text.as_bytes()).is_ok_and(|key| key.is_encrypted())
}

fn certificate(key: &Path) -> Result<Option<Box<Certificate>>, KeyFileError> {
    let path = beside(key, "-cert.pub");
    let text = match crate::bounded::read_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyFileError::Unreadable { path, source }),
    };
    match Certificate::from_openssh(text.trim()) {
        Ok(certificate) => Ok(Some(Box::new(certificate))),
        Err(source) => Err(KeyFileError::Certificate { path, source }),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
