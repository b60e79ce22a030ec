//! Issued certificates: `certificates/NAME/VERSION/{fullchain.pem,privkey.pem}`, and for the second of dual
//! certificates `{fullchain-2.pem,privkey-2.pem}`.

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
    /// One, or two of dual certificates; one of two where the second was never issued.
    pub pairs: Vec<StoredPair>,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct StoredPair {
    /// The leaf and its chain, PEM.
    pub fullchain: Vec<u8>,
    /// The private key, PEM.
    pub key: Secret,
}

/// The files of a pair.
const PAIRS: [(&str, &str); 2] = [("fullchain.pem", "privkey.pem"), ("fullchain-2.pem", "privkey-2.pem")];

impl CertificateStore {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder(&self, name: &CertificateName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// Keeps a version. Each pair is there whole, on the disk, or not at all; a second one may come later.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, name: &CertificateName, certificate: &StoredCertificate) -> Result<(), StoreError> {
        let folder = self.folder(name);
        let target = folder.join(certificate.version.as_str());
        if target.exists() {
            return match certificate.pairs.get(1) {
                Some(second) if !target.join(PAIRS[1].0).exists() => put_second(&target, second),
                _ => Ok(()),
            };
        }
        files::private_folder(&folder)?;
        let partial = folder.join(format!(".{}.partial", certificate.version));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(StoreError::file(&partial))?;
        }
        files::private_folder(&partial)?;
        for ((fullchain, key), pair) in PAIRS.iter().zip(&certificate.pairs) {
            files::write_new(&partial.join(fullchain), &pair.fullchain)?;
            files::write_new(&partial.join(key), pair.key.expose())?;
        }
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
        let mut pairs = Vec::new();
        for (at, (fullchain, key)) in PAIRS.iter().enumerate() {
            if at == 0 || folder.join(fullchain).exists() {
                let key = Secret::new(read(folder.join(key))?);
                pairs.push(StoredPair { fullchain: read(folder.join(fullchain))?, key });
            }
        }
        Ok(StoredCertificate { version: version.clone(), pairs })
    }

    /// The chains of one version, one or two, each PEM; its keys are not read.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub fn chains(&self, name: &CertificateName, version: &Version) -> Result<Vec<Vec<u8>>, StoreError> {
        let folder = self.folder(name).join(version.as_str());
        let paths = PAIRS.iter().map(|(fullchain, _)| folder.join(fullchain)).enumerate();
        let there = paths.filter(|(at, path)| *at == 0 || path.exists());
        there.map(|(_, path)| fs::read(&path).map_err(StoreError::file(&path))).collect()
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
                chains.extend(self.chains(&name, &version)?);
            }
        }
        Ok(chains)
    }
}

/// The key first: the chain says that the pair is whole.
fn put_second(folder: &Path, pair: &StoredPair) -> Result<(), StoreError> {
    let (fullchain, key) = PAIRS[1];
    for (name, bytes) in [(key, pair.key.expose()), (fullchain, pair.fullchain.as_slice())] {
        let partial = folder.join(format!(".{name}.partial"));
        if partial.exists() {
            fs::remove_file(&partial).map_err(StoreError::file(&partial))?;
        }
        files::write_new(&partial, bytes)?;
        let target = folder.join(name);
        fs::rename(&partial, &target).map_err(StoreError::file(&target))?;
    }
    files::sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn pair(key: &str) -> StoredPair {
        StoredPair { fullchain: b"chain".to_vec(), key: Secret::new(key.as_bytes().to_vec()) }
    }

    #[test]
    fn the_second_of_two_certificates_may_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let store = CertificateStore::new(folder.path().to_owned());
        let name: CertificateName = "a.test".parse().unwrap();
        let version = "20261123T200100Z-3f9a1c2e";
        store.put(&name, &stored(version)).unwrap();
        let both = StoredCertificate { pairs: vec![pair("key"), pair("second")], ..stored(version) };
        store.put(&name, &both).unwrap();
        let kept = store.get(&name, &version.parse().unwrap()).unwrap();
        assert_eq!(kept.pairs[1].key.expose(), b"second");
        assert_eq!(store.all_chains().unwrap().len(), 2);
        let key = store.folder(&name).join(version).join("privkey-2.pem");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    fn stored(version: &str) -> StoredCertificate {
        StoredCertificate { version: version.parse().unwrap(), pairs: vec![pair("key")] }
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
        assert_eq!(store.get(&name, &old.parse().unwrap()).unwrap().pairs[0].key.expose(), b"key");
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
