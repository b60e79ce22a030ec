//! What certwave remembers, in one folder: the journal (SQLite), issued certificates, and ACME accounts.
//!
//! The folder is 0700 and every file with a secret in it 0600. `docs/security.md` says what that means.

mod certificates;
mod chain;
mod files;
mod journal;
mod lease;
mod revoked;
mod schema;
mod wishes;

use std::path::{Path, PathBuf};

pub use certificates::{CertificateStore, StoredCertificate, StoredPair};
pub use chain::Tampered;
pub use journal::{Entry, Journal, RolloutJournal, RolloutRecord};
pub use lease::{Fence, Lease};
pub use wishes::Wish;

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
    /// An event in the journal that this version cannot read.
    #[error("read event {seq} of rollout `{rollout}` in the journal")]
    Event {
        /// Its rollout.
        rollout: String,
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
    /// The folder can be read by others.
    #[error("use `{}`: other users can read it (mode {mode:04o}), and it holds private keys", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

impl StoreError {
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
}

impl Store {
    /// Opens the folder, and makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or when other users can read it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        files::private_folder(root)?;
        let mode = files::mode(root)?;
        if mode & 0o077 != 0 {
            return Err(StoreError::Exposed { path: root.to_owned(), mode });
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The journal.
    ///
    /// # Errors
    /// When the database cannot be opened or is of a newer format.
    pub fn journal(&self) -> Result<Journal, StoreError> {
        Journal::open(&self.root.join("journal.db"))
    }

    /// Issued certificates and their keys.
    pub fn certificates(&self) -> CertificateStore {
        CertificateStore::new(self.root.join("certificates"))
    }

    /// The folder of ACME account credentials.
    pub fn accounts(&self) -> PathBuf {
        self.root.join("accounts")
    }

    /// The folder of ACME orders that are not settled yet, each with its key.
    pub fn orders(&self) -> PathBuf {
        self.root.join("orders")
    }

    /// The right to roll out a certificate, for as long as the value lives and is prolonged. The operating
    /// system takes it back when the process dies, however it dies; of a process that hangs it runs out.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process has it.
    pub fn lease(
        &self,
        journal: &Journal,
        certificate: &crate::model::CertificateName,
        holder: &str,
    ) -> Result<Lease, StoreError> {
        Lease::take(&self.root.join("leases"), journal, certificate, holder, jiff::Timestamp::now())
    }
}
