//! A folder of sealed files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::Secret;
use crate::ports::{KeepError, SecretFiles};
use crate::store::seal_key::SealKey;
use crate::store::{StoreError, files, places};

/// A folder of sealed files: what is called `NAME` lies in `NAME.cms`.
#[derive(Debug, Clone)]
pub struct SealedFolder {
    root: PathBuf,
    key: Arc<SealKey>,
}

impl SealedFolder {
    pub(super) fn new(root: PathBuf, key: Arc<SealKey>) -> Self {
        Self { root, key }
    }

    fn file(&self, name: &str) -> PathBuf {
        places::sealed(&self.root.join(name))
    }
}

impl SecretFiles for SealedFolder {
    fn read(&self, name: &str) -> Result<Option<Secret>, KeepError> {
        Ok(self.key.open(&self.file(name))?)
    }

    fn write(&self, name: &str, secret: &Secret) -> Result<(), KeepError> {
        let sealed = self.key.seal(secret)?;
        files::private_folder(&self.root)?;
        Ok(files::replace(&self.file(name), &sealed)?)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), KeepError> {
        let from = self.file(from);
        fs::rename(&from, self.file(to)).map_err(StoreError::file(&from))?;
        Ok(files::sync_folder(&self.root)?)
    }

    fn remove(&self, name: &str) -> Result<(), KeepError> {
        Ok(files::remove(&self.file(name))?)
    }
}

impl From<StoreError> for KeepError {
    fn from(error: StoreError) -> Self {
        let hint = error.hint();
        let mut reason = error.to_string();
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            reason.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        Self { reason, hint }
    }
}

/// Seals what an earlier certwave left in the clear. At every moment each file is there: in the clear, sealed, or both.
pub(super) fn seal_the_clear(root: &Path, key: &SealKey) -> Result<(), StoreError> {
    let in_the_clear = || {
        let files = places::secret_files(root)?.into_iter();
        Ok::<Vec<PathBuf>, StoreError>(files.filter(|file| !places::is_sealed(file)).collect())
    };
    if in_the_clear()?.is_empty() {
        return Ok(());
    }
    // One process at a time: else one could bring back what another has sealed and changed since.
    let folder = fs::File::open(root).map_err(StoreError::file(root))?;
    folder.lock().map_err(StoreError::file(root))?;
    for file in in_the_clear()? {
        // What a write that was cut off has left was never counted on.
        let half_written = places::is_hidden(&file)
            || file.parent().is_some_and(places::is_hidden)
            || file.extension().is_some_and(|ending| ending == "new");
        if !half_written {
            let secret = match fs::read(&file) {
                Ok(bytes) => Secret::new(bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::file(&file)(error)),
            };
            files::replace(&places::sealed(&file), &key.seal(&secret)?)?;
        }
        files::remove(&file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Certificates as _;
    use crate::store::Store;
    use std::os::unix::fs::PermissionsExt;

    /// An empty state.
    fn state() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state");
        files::private_folder(&root).unwrap();
        (folder, root)
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn what_is_written_is_sealed_and_can_be_read_renamed_and_removed() {
        let (_folder, root) = state();
        let accounts = Store::open(&root).unwrap().accounts();
        assert!(accounts.read("a.json").unwrap().is_none());
        accounts.write("a.json", &secret("first")).unwrap();
        accounts.write("a.json", &secret("second")).unwrap();
        let file = root.join("accounts/a.json.cms");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        // By another process, after this one.
        let accounts = Store::open(&root).unwrap().accounts();
        assert_eq!(accounts.read("a.json").unwrap().unwrap().expose(), b"second");
        accounts.rename("a.json", "a.unknown").unwrap();
        assert_eq!(accounts.read("a.unknown").unwrap().unwrap().expose(), b"second");
        accounts.remove("a.unknown").unwrap();
        accounts.remove("a.unknown").unwrap();
        assert_eq!(fs::read_dir(root.join("accounts")).unwrap().count(), 0);
    }

    #[test]
    fn what_an_earlier_certwave_left_in_the_clear_is_sealed_when_the_store_is_opened() {
        let (_folder, root) = state();
        let (version, name) = ("20261123T200100Z-3f9a1c2e", "a.test");
        let certificate = format!("certificates/{name}/{version}");
        let whole = [
            format!("{certificate}/privkey.pem"),
            format!("{certificate}/privkey-2.pem"),
            "accounts/ca.test-00000000.json".to_owned(),
            "accounts/ca.test-00000001.unknown".to_owned(),
            "orders/a.test-00.pem".to_owned(),
            "orders/a.test-00.url".to_owned(),
        ];
        // Left by a write that was cut off.
        let half = [
            format!("certificates/{name}/.{version}.partial/privkey.pem"),
            format!("{certificate}/.privkey-2.pem.partial"),
            "accounts/ca.test-00000000.new".to_owned(),
        ];
        for file in whole.iter().chain(&half) {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "in the clear").unwrap();
        }
        for chain in ["fullchain.pem", "fullchain-2.pem"] {
            fs::write(root.join(&certificate).join(chain), "chain").unwrap();
        }
        // Killed between the sealing of a file and its removal: both are there.
        let store = Store::open(&root).unwrap();
        fs::write(root.join(&whole[2]), "in the clear").unwrap();
        drop(store);

        let store = Store::open(&root).unwrap();
        for file in whole.iter().chain(&half) {
            assert!(!root.join(file).exists(), "{file}");
        }
        for file in &whole {
            let path = root.join(file);
            let folder = SealedFolder::new(path.parent().unwrap().to_owned(), store.seal_key.clone());
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(folder.read(name).unwrap().unwrap().expose(), b"in the clear", "{file}");
        }
        let kept = store.certificates().get(&name.parse().unwrap(), &version.parse().unwrap()).unwrap();
        assert_eq!(kept.pairs.len(), 2);
        // Half of a file is nothing.
        assert!(!places::sealed(&root.join(&half[2])).exists());
        assert_eq!(places::secret_files(&root).unwrap().len(), whole.len());
    }

    #[test]
    fn a_state_in_the_clear_without_a_place_for_a_key_stays_as_it_is() {
        let (_folder, root) = state();
        fs::create_dir(root.join("accounts")).unwrap();
        let file = root.join("accounts/a.json");
        fs::write(&file, "in the clear").unwrap();
        let error = Store::open_with_key(&root, &root.join("no/seal.pem")).unwrap_err();
        assert!(matches!(error, StoreError::MakeKey { .. }), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"in the clear");
    }
}
