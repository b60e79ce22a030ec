//! What certwave remembers, in one folder: the journal (SQLite), issued certificates, and ACME accounts.
//!
//! The folder is 0700, every file with a secret in it 0600, and every secret sealed. `docs/security.md` says what that
//! means.

mod certificates;
mod commands;
mod database;
mod files;
mod hash_chain;
mod import;
mod journal;
mod lease;
mod places;
mod record;
mod schema;
mod seal;
mod seal_key;
mod sealed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::CertificateName;
use seal_key::SealKey;

pub use certificates::{CertificateStore, StoredCertificate, StoredPair};
pub use hash_chain::Tampered;
pub use journal::{Entry, Journal, RolloutJournal};
pub use lease::Lease;

pub use commands::Command;
pub use sealed::SealedFolder;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("access `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal's database.
    #[error("use the journal `{}`", path.display())]
    Journal {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The disk has no room for the journal.
    #[error("use the journal `{}`: {free_kib} KiB are free on its disk", path.display())]
    NoRoom {
        /// Which.
        path: PathBuf,
        /// Room that is left, in KiB.
        free_kib: u64,
        /// The database's own words.
        source: rusqlite::Error,
    },
    /// A fact in the journal that this version cannot read.
    #[error("read fact {seq} of operation `{operation}` in the journal")]
    Fact {
        /// Its operation.
        operation: String,
        /// Its number.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// A file of ours that is not what it should be.
    #[error("read `{}`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The journal was written by a newer certwave.
    #[error("use the journal `{}`: it has format {found}, and this certwave knows formats up to {known}", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Another process works on the same certificate.
    #[error("start: a rollout of `{certificate}` is already running: {holder}")]
    Held {
        /// Which certificate.
        certificate: String,
        /// Who runs it.
        holder: String,
    },
    /// The lease ran out, and another process took it: nothing more may be done here.
    #[error("go on with the rollout of `{certificate}`: it was taken over by {holder}")]
    Deposed {
        /// Which certificate.
        certificate: String,
        /// Who has it now.
        holder: String,
    },
    /// The folder, or the sealing key, can be read by others.
    #[error("use `{}`: other users can read it (mode {mode:04o}), and it holds private keys", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is no sealing key yet, and none can be made.
    #[error("make the sealing key `{}`", path.display())]
    MakeKey {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The sealing key is not one.
    #[error("use the sealing key `{}`: it must hold a private key and its certificate, in PEM, not encrypted", path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// Something is sealed, and the key is not where it should be.
    #[error("open `{}`: there is no sealing key `{}`", path.display(), key.display())]
    NoKey {
        /// What is sealed.
        path: PathBuf,
        /// Where the key was looked for.
        key: PathBuf,
    },
    /// Something was sealed with another key.
    #[error("open `{}`: it was sealed with another key than `{}`", path.display(), key.display())]
    OtherKey {
        /// What was sealed.
        path: PathBuf,
        /// The key that does not open it.
        key: PathBuf,
    },
    /// Something that was sealed is not as it was written.
    #[error("open `{}`: it is damaged", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        source: openssl::error::ErrorStack,
    },
    /// OpenSSL could not seal, which without random numbers it cannot.
    #[error("seal a secret")]
    Sealing(#[source] openssl::error::ErrorStack),
}

impl StoreError {
    /// The way out, where there is a usual one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            StoreError::NoKey { .. } | StoreError::OtherKey { .. } => Some(
                "name the key that this state was sealed with: `--seal-key FILE`. Where it is lost, so is what it sealed: \
                 with `accounts`, `certificates` and `orders` moved out of the state, the next rollout begins anew",
            ),
            StoreError::NoRoom { .. } => Some("make room there, then run the command again"),
            StoreError::MakeKey { .. } => Some("its folder must be there, and be yours to write to"),
            StoreError::NotAKey { .. } => Some(
                "restore it from a copy, or name another place where certwave makes a new one: `--seal-key FILE`",
            ),
            StoreError::Damaged { .. } => Some("restore it from a copy of the state, or move it away"),
            _ => None,
        }
    }

    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::File { path, source }
    }

    fn unreadable(path: &Path) -> impl FnOnce(serde_json::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Unreadable { path, source }
    }
}

/// The folder that holds everything.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    seal_key: Arc<SealKey>,
}

impl Store {
    /// Opens the folder, and makes it where it is missing. The sealing key lies in it: `seal.pem`.
    ///
    /// # Errors
    /// As [`Store::open_with_key`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_with_key(root, &root.join("seal.pem"))
    }

    /// Opens the folder, and makes it where it is missing; its secrets are sealed with the key in a file, which is made
    /// when it is first needed. What an earlier certwave left in the clear is sealed now.
    ///
    /// # Errors
    /// When it cannot be made, when other users can read it, or when something is in the clear and cannot be sealed.
    pub fn open_with_key(root: &Path, seal_key: &Path) -> Result<Self, StoreError> {
        files::private_folder(root)?;
        let mode = files::mode(root)?;
        if mode & 0o077 != 0 {
            return Err(StoreError::Exposed { path: root.to_owned(), mode });
        }
        let seal_key = SealKey::new(root, seal_key);
        sealed::seal_the_clear(root, &seal_key)?;
        Ok(Self { root: root.to_owned(), seal_key: Arc::new(seal_key) })
    }

    /// The journal. One of an earlier format, which knew rollouts alone, is told what the store holds.
    ///
    /// # Errors
    /// When the database cannot be opened or is of a newer format.
    pub fn journal(&self) -> Result<Journal, StoreError> {
        Journal::open(&self.root.join(database::NAME), || import::facts(&self.certificates()))
    }

    /// Issued certificates and their keys.
    pub fn certificates(&self) -> CertificateStore {
        CertificateStore::new(self.root.join(places::CERTIFICATES), self.seal_key.clone())
    }

    /// ACME account credentials.
    pub fn accounts(&self) -> SealedFolder {
        SealedFolder::new(self.root.join(places::ACCOUNTS), self.seal_key.clone())
    }

    /// ACME orders that are not settled yet, each with its key.
    pub fn orders(&self) -> SealedFolder {
        SealedFolder::new(self.root.join(places::ORDERS), self.seal_key.clone())
    }

    /// The right to work on a certificate, for as long as the value lives. The operating system takes it back when the
    /// process dies, however it dies; of a process that hangs it runs out.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process has it.
    pub fn lease(
        &self,
        journal: &Journal,
        certificate: &CertificateName,
        holder: &str,
    ) -> Result<Lease, StoreError> {
        let (leases, now) = (self.root.join(places::LEASES), jiff::Timestamp::now());
        Lease::take(&leases, &journal.database, certificate, holder, now, lease::Terms::default())
    }

    /// Who works on a certificate; none where nobody does. Nothing is taken.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn lease_holder(
        &self,
        journal: &Journal,
        certificate: &CertificateName,
    ) -> Result<Option<String>, StoreError> {
        let (leases, now) = (self.root.join(places::LEASES), jiff::Timestamp::now());
        Lease::holder(&leases, &journal.database, certificate, now)
    }
}
