//! Which versions were revoked: `certificates/NAME/VERSION/revoked.json`.

use std::collections::BTreeSet;
use std::fs;

use crate::model::{CertificateName, Revocation, Version};
use crate::store::certificates::CertificateStore;
use crate::store::{StoreError, files};

const FILE: &str = "revoked.json";

impl CertificateStore {
    /// Notes that a version is never to be served again, on the disk before anybody is told.
    ///
    /// # Errors
    /// When the disk refuses, or there is no such version.
    pub fn revoke(
        &self,
        name: &CertificateName,
        version: &Version,
        revocation: &Revocation,
    ) -> Result<(), StoreError> {
        let folder = self.folder(name).join(version.as_str());
        let (path, draft) = (folder.join(FILE), folder.join(format!(".{FILE}.partial")));
        if draft.exists() {
            fs::remove_file(&draft).map_err(StoreError::file(&draft))?;
        }
        let text = serde_json::to_vec(revocation).map_err(StoreError::unreadable(&path))?;
        files::write_new(&draft, &text)?;
        fs::rename(&draft, &path).map_err(StoreError::file(&path))?;
        files::sync_folder(&folder)
    }

    /// Whether a version was revoked, and why.
    ///
    /// # Errors
    /// When what is noted cannot be read: then nobody knows.
    pub fn revocation(
        &self,
        name: &CertificateName,
        version: &Version,
    ) -> Result<Option<Revocation>, StoreError> {
        let path = self.folder(name).join(version.as_str()).join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(StoreError::unreadable(&path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file(&path)(error)),
        }
    }

    /// Every version of a certificate that was revoked.
    ///
    /// # Errors
    /// When the folder, or what is noted, cannot be read.
    pub fn revoked(&self, name: &CertificateName) -> Result<BTreeSet<Version>, StoreError> {
        let mut revoked = BTreeSet::new();
        for version in self.versions(name)? {
            if self.revocation(name, &version)?.is_some() {
                revoked.insert(version);
            }
        }
        Ok(revoked)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{RevocationReason, Secret};
    use crate::store::{Store, StoredCertificate, StoredPair};

    #[test]
    fn what_was_revoked_stays_revoked_and_damage_is_not_read_as_no() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap().certificates();
        let name: CertificateName = "a.test".parse().unwrap();
        let version: Version = "20261123T200100Z-3f9a1c2e".parse().unwrap();
        let pair = StoredPair { fullchain: b"chain".to_vec(), key: Secret::new(b"key".to_vec()) };
        store.put(&name, &StoredCertificate { version: version.clone(), pairs: vec![pair] }).unwrap();
        assert_eq!(store.revocation(&name, &version).unwrap(), None);

        let (at, reason) = (Timestamp::UNIX_EPOCH, RevocationReason::KeyCompromise);
        for confirmed_by in [None, Some("a CA".to_owned())] {
            let revocation = Revocation { at, reason, confirmed_by };
            store.revoke(&name, &version, &revocation).unwrap();
            assert_eq!(store.revocation(&name, &version).unwrap(), Some(revocation));
        }
        assert_eq!(store.revoked(&name).unwrap(), BTreeSet::from([version.clone()]));

        fs::write(store.folder(&name).join(version.as_str()).join(FILE), "half").unwrap();
        assert!(store.revocation(&name, &version).is_err());
    }
}
