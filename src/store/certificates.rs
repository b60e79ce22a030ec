//! Issued certificates: `certificates/NAME/VERSION/{fullchain.pem,privkey.pem.cms}`, and for the second of dual
//! certificates `{fullchain-2.pem,privkey-2.pem.cms}`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{CertificateName, Version};
use crate::ports::{Certificates, StoredCertificate, StoredPair};
use crate::store::seal_key::SealKey;
use crate::store::{StoreError, files, places};

/// The folder of all certificates.
#[derive(Debug, Clone)]
pub struct CertificateStore {
    root: PathBuf,
    key: Arc<SealKey>,
}

/// The files of a pair; that of the key is sealed.
const PAIRS: [(&str, &str); 2] = [("fullchain.pem", "privkey.pem"), ("fullchain-2.pem", "privkey-2.pem")];

impl CertificateStore {
    pub(super) fn new(root: PathBuf, key: Arc<SealKey>) -> Self {
        Self { root, key }
    }

    pub(super) fn folder(&self, name: &CertificateName) -> PathBuf {
        self.root.join(name.as_str())
    }
}

impl Certificates for CertificateStore {
    fn put(&self, name: &CertificateName, certificate: &StoredCertificate) -> Result<(), StoreError> {
        let folder = self.folder(name);
        let target = folder.join(certificate.version.as_str());
        if target.exists() {
            return match certificate.pairs.get(1) {
                Some(second) if !target.join(PAIRS[1].0).exists() => {
                    let (fullchain, key) = PAIRS[1];
                    // The key first: the chain says that the pair is whole.
                    files::replace(&places::sealed(&target.join(key)), &self.key.seal(&second.key)?)?;
                    files::replace(&target.join(fullchain), &second.fullchain)
                }
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
            files::write_new(&places::sealed(&partial.join(key)), &self.key.seal(&pair.key)?)?;
        }
        files::sync_folder(&partial)?;
        fs::rename(&partial, &target).map_err(StoreError::file(&target))?;
        files::sync_folder(&folder)
    }

    fn versions(&self, name: &CertificateName) -> Result<Vec<Version>, StoreError> {
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

    fn get(&self, name: &CertificateName, version: &Version) -> Result<StoredCertificate, StoreError> {
        let folder = self.folder(name).join(version.as_str());
        let mut pairs = Vec::new();
        for (fullchain, (_, key)) in self.chains(name, version)?.into_iter().zip(PAIRS) {
            let file = places::sealed(&folder.join(key));
            let missing = || StoreError::file(&file)(ErrorKind::NotFound.into());
            let key = self.key.open(&file)?.ok_or_else(missing)?;
            pairs.push(StoredPair { fullchain, key });
        }
        Ok(StoredCertificate { version: version.clone(), pairs })
    }

    fn chains(&self, name: &CertificateName, version: &Version) -> Result<Vec<Vec<u8>>, StoreError> {
        let folder = self.folder(name).join(version.as_str());
        let paths = PAIRS.map(|(fullchain, _)| folder.join(fullchain)).into_iter().enumerate();
        paths
            .filter(|(at, path)| *at == 0 || path.exists())
            .map(|(_, path)| fs::read(&path).map_err(StoreError::file(&path)))
            .collect()
    }

    fn all_chains(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut chains = Vec::new();
        for name in self.names()? {
            for version in self.versions(&name)? {
                chains.extend(self.chains(&name, &version)?);
            }
        }
        Ok(chains)
    }

    fn names(&self) -> Result<Vec<CertificateName>, StoreError> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.root).map_err(StoreError::file(&self.root))?;
        let mut names: Vec<CertificateName> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;
    use crate::store::Store;
    use std::os::unix::fs::PermissionsExt;

    fn pair(key: &str) -> StoredPair {
        StoredPair { fullchain: b"chain".to_vec(), key: Secret::new(key.as_bytes().to_vec()) }
    }

    #[test]
    fn the_second_of_two_certificates_may_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap().certificates();
        let name: CertificateName = "a.test".parse().unwrap();
        let version = "20261123T200100Z-3f9a1c2e";
        store.put(&name, &stored(version)).unwrap();
        let both = StoredCertificate { pairs: vec![pair("key"), pair("second")], ..stored(version) };
        store.put(&name, &both).unwrap();
        let kept = store.get(&name, &version.parse().unwrap()).unwrap();
        assert_eq!(kept.pairs[1].key.expose(), b"second");
        assert_eq!(store.all_chains().unwrap().len(), 2);
        let key = store.folder(&name).join(version).join("privkey-2.pem.cms");
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
        let key = store.folder(&name).join(old).join("privkey.pem.cms");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(store.get(&name, &old.parse().unwrap()).unwrap().pairs[0].key.expose(), b"key");
        assert_eq!(store.all_chains().unwrap().len(), 2);
    }

    #[test]
    fn what_was_kept_of_a_version_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap().certificates();
        let name: CertificateName = "a.test".parse().unwrap();
        let text = "20261123T200100Z-3f9a1c2e";
        let version = text.parse().unwrap();
        store.put(&name, &stored(text)).unwrap();
        let other = |key: &str| StoredPair { fullchain: b"other".to_vec(), ..pair(key) };
        let kept = || {
            let kept = store.get(&name, &version).unwrap().pairs.into_iter();
            kept.map(|pair| (pair.fullchain, pair.key.expose().to_vec())).collect::<Vec<_>>()
        };
        let first = (b"chain".to_vec(), b"key".to_vec());
        store.put(&name, &StoredCertificate { pairs: vec![other("new")], ..stored(text) }).unwrap();
        assert_eq!(kept(), std::slice::from_ref(&first));
        let both = |second| StoredCertificate { pairs: vec![other("new"), pair(second)], ..stored(text) };
        for second in ["second", "third"] {
            store.put(&name, &both(second)).unwrap();
            assert_eq!(kept(), [first.clone(), (b"chain".to_vec(), b"second".to_vec())]);
        }
    }

    #[test]
    fn a_version_without_its_key_is_told_by_the_file_and_drafts_are_no_versions() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap().certificates();
        let name: CertificateName = "a.test".parse().unwrap();
        let version = "20261123T200100Z-3f9a1c2e";
        store.put(&name, &stored(version)).unwrap();
        for draft in [".tmpA1b2C3", ".20261124T200100Z-00000000.partial", "lost+found"] {
            fs::create_dir(store.folder(&name).join(draft)).unwrap();
        }
        assert_eq!(store.versions(&name).unwrap(), [version.parse().unwrap()]);
        assert_eq!(store.names().unwrap(), std::slice::from_ref(&name));
        let key = store.folder(&name).join(version).join("privkey.pem.cms");
        fs::remove_file(&key).unwrap();
        let missing = store.get(&name, &version.parse().unwrap()).unwrap_err();
        assert!(matches!(missing, StoreError::File { ref path, .. } if *path == key), "{missing:?}");
        assert_eq!(store.chains(&name, &version.parse().unwrap()).unwrap(), [b"chain"]);
    }

    #[test]
    fn a_half_written_version_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap().certificates();
        let name: CertificateName = "a.test".parse().unwrap();
        let partial = store.folder(&name).join(".20261123T200100Z-3f9a1c2e.partial");
        fs::create_dir_all(&partial).unwrap();
        fs::write(partial.join("privkey.pem"), "half").unwrap();
        assert!(store.versions(&name).unwrap().is_empty());
        store.put(&name, &stored("20261123T200100Z-3f9a1c2e")).unwrap();
        assert_eq!(store.versions(&name).unwrap().len(), 1);
    }
}
