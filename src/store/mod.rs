//! What certwave remembers, in one folder: the journal (SQLite), issued certificates, and ACME accounts.
//!
//! The folder is 0700, every file with a secret in it 0600, and every secret sealed. `docs/security.md` says what that
//! means.

mod certificates;
mod commands;
mod database;
mod failed;
mod files;
mod hash_chain;
mod holder;
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

use seal_key::SealKey;

pub use crate::ports::StoreError;
pub use certificates::CertificateStore;
pub use hash_chain::Tampered;
pub use journal::Journal;
pub use lease::SqliteLeases;

pub use sealed::SealedFolder;

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

    /// The rights to work on certificates, as the journal knows them.
    pub fn leases(&self, journal: &Journal) -> SqliteLeases {
        SqliteLeases::new(self.root.join(places::LEASES), journal.database.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_may_look_into_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/state");
        Store::open(&root).unwrap();
        for made in [root.clone(), folder.path().join("a")] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
        }
        for (mode, refused) in [
            (0o700, false),
            (0o500, false),
            (0o750, true),
            (0o710, true),
            (0o701, true),
            (0o702, true),
            (0o704, true),
        ] {
            fs::set_permissions(&root, Permissions::from_mode(mode)).unwrap();
            let exposed = Store::open(&root).err().map(|error| match error {
                StoreError::Exposed { mode, .. } => mode,
                other => panic!("{other:?}"),
            });
            assert_eq!(exposed, refused.then_some(mode));
        }
        fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
    }
}
