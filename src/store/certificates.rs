//! Issued certificates: `certificates/NAME/VERSION/{fullchain.pem,privkey.pem}`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{StoreError, files};
use crate::model::{CertificateName, Secret, Version};

/// The folder of all certificates.
#[derive(Debug, Clone)]
pub struct CertificateStore {
    root: PathBuf,
}

/// One version as it lies in the store. Not yet proven: that is [`crate::certificate::Bundle`]'s to do.
#[derive(Debug)]
pub struct StoredCertificate {
    /// Its version.
    pub version: Version,
    /// The leaf and its chain, PEM.
    pub fullchain: Vec<u8>,
    /// The private key, PEM.
    pub key: Secret,
}

impl CertificateStore {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder(&self, name: &CertificateName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// Keeps a version. It is there whole, on the disk, or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, name: &CertificateName, certificate: &StoredCertificate) -> Result<(), StoreError> {
        let folder = self.folder(name);
        let target = folder.join(certificate.version.as_str());
        if target.exists() {
            return Ok(());
        }
        files::private_folder(&folder)?;
        let partial = folder.join(format!(".{}.partial", certificate.version));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(StoreError::file(&partial))?;
        }
        files::private_folder(&partial)?;
        files::write_new(&partial.join("fullchain.pem"), &certificate.fullchain)?;
        files::write_new(&partial.join("privkey.pem"), certificate.key.expose())?;
        files::sync_folder(&partial)?;
        fs::rename(&partial, &target).map_err(StoreError::file(&target))?;
        files::sync_folder(&folder)
    }

    /// All versions of a certificate, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn versions(&self, name: &CertificateName) -> Result<Vec<Version>, StoreError> {
        let folder = self.folder(name);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut versions: Vec<Version> = fs::read_dir(&folder)
            .map_err(StoreError::file(&folder))?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        versions.sort();
        Ok(versions)
    }

    /// One version.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub fn get(&self, name: &CertificateName, version: &Version) -> Result<StoredCertificate, StoreError> {
        let folder = self.folder(name).join(version.as_str());
        let read = |path: PathBuf| fs::read(&path).map_err(StoreError::file(&path));
        Ok(StoredCertificate {
            version: version.clone(),
            fullchain: read(folder.join("fullchain.pem"))?,
            key: Secret::new(read(folder.join("privkey.pem"))?),
        })
    }

    /// The chains of every version of every certificate: what certwave has ever issued.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all_chains(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let names = fs::read_dir(&self.root).map_err(StoreError::file(&self.root))?;
        let names =
            names.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<CertificateName>().ok());
        let mut chains = Vec::new();
        for name in names {
            for version in self.versions(&name)? {
                let path: &Path = &self.folder(&name).join(version.as_str()).join("fullchain.pem");
                chains.push(fs::read(path).map_err(StoreError::file(path))?);
            }
        }
        Ok(chains)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn stored(version: &str) -> StoredCertificate {
        StoredCertificate {
            version: version.parse().unwrap(),
            fullchain: b"chain".to_vec(),
            key: Secret::new(b"key".to_vec()),
        }
    }

    #[test]
    fn versions_come_back_in_order_and_nobody_else_can_read_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap().certificates();
        let name: CertificateName = "api.example.com".parse().unwrap();
        let (old, new) = ("20261123T200100Z-3f9a1c2e", "20261124T200100Z-00000000");
        store.put(&name, &stored(new)).unwrap();
        store.put(&name, &stored(old)).unwrap();
        store.put(&name, &stored(old)).unwrap();
        let versions: Vec<String> =
            store.versions(&name).unwrap().iter().map(|version| version.to_string()).collect();
        assert_eq!(versions, [old, new]);
        let key = store.folder(&name).join(old).join("privkey.pem");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(store.get(&name, &old.parse().unwrap()).unwrap().key.expose(), b"key");
        assert_eq!(store.all_chains().unwrap().len(), 2);
    }

    #[test]
    fn a_half_written_version_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = CertificateStore::new(folder.path().to_owned());
        let name: CertificateName = "a.test".parse().unwrap();
        let partial = store.folder(&name).join(".20261123T200100Z-3f9a1c2e.partial");
        fs::create_dir_all(&partial).unwrap();
        fs::write(partial.join("privkey.pem"), "half").unwrap();
        assert!(store.versions(&name).unwrap().is_empty());
        store.put(&name, &stored("20261123T200100Z-3f9a1c2e")).unwrap();
        assert_eq!(store.versions(&name).unwrap().len(), 1);
    }
}
