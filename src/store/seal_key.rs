//! The sealing key: one file, made when something is first sealed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::model::Secret;
use crate::store::seal::{Closed, Seal};
use crate::store::{StoreError, files, places};

/// The key that a state is sealed with, read or made when it is first needed.
#[derive(Debug)]
pub(super) struct SealKey {
    /// The state that it is for.
    root: PathBuf,
    path: PathBuf,
    seal: OnceLock<Seal>,
}

impl SealKey {
    pub(super) fn new(root: &Path, path: &Path) -> Self {
        Self { root: root.to_owned(), path: path.to_owned(), seal: OnceLock::new() }
    }

    /// Seals a secret.
    ///
    /// # Errors
    /// When there is no key to do it with: missing, exposed, or not the one that the state is sealed with.
    pub(super) fn seal(&self, secret: &Secret) -> Result<Vec<u8>, StoreError> {
        self.get()?.seal(secret).map_err(StoreError::Sealing)
    }

    /// Opens a sealed file; none where there is no such file.
    ///
    /// # Errors
    /// As [`SealKey::seal`]; and where the file is damaged, or sealed with another key.
    pub(super) fn open(&self, file: &Path) -> Result<Option<Secret>, StoreError> {
        match fs::read(file) {
            Ok(sealed) => self.opened(self.get()?, file, &sealed).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file(file)(error)),
        }
    }

    fn opened(&self, seal: &Seal, file: &Path, sealed: &[u8]) -> Result<Secret, StoreError> {
        seal.open(sealed).map_err(|closed| match closed {
            Closed::OtherKey => StoreError::OtherKey { path: file.to_owned(), key: self.path.clone() },
            Closed::Damaged(source) => StoreError::Damaged { path: file.to_owned(), source },
        })
    }

    fn get(&self) -> Result<&Seal, StoreError> {
        if let Some(seal) = self.seal.get() {
            return Ok(seal);
        }
        // Looked for before the key is: whoever sealed it had made the key by then.
        let sealed = places::secret_files(&self.root)?.into_iter().find(|file| places::is_sealed(file));
        let seal = match (self.read()?, &sealed) {
            (Some(seal), _) => seal,
            (None, Some(sealed)) => {
                return Err(StoreError::NoKey { path: sealed.clone(), key: self.path.clone() });
            }
            (None, None) => self.make()?,
        };
        // With two keys in one state, nobody would know which one to keep.
        if let Some(file) = sealed
            && let Err(error @ StoreError::OtherKey { .. }) =
                fs::read(&file).map_or(Ok(None), |text| self.opened(&seal, &file, &text).map(Some))
        {
            return Err(error);
        }
        Ok(self.seal.get_or_init(|| seal))
    }

    fn read(&self) -> Result<Option<Seal>, StoreError> {
        let metadata = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(StoreError::file(&self.path))?,
        };
        // libpq's rule for keys (PostgreSQL's manual, "Client Certificates"): a group may read what is root's. So does systemd
        // show a credential of a service that runs as a user: root's, with an ACL.
        let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        let mode = metadata.mode() & 0o777;
        if mode & forbidden != 0 {
            return Err(StoreError::Exposed { path: self.path.clone(), mode });
        }
        let pem = Secret::new(fs::read(&self.path).map_err(StoreError::file(&self.path))?);
        Seal::from_pem(&pem).map(Some).ok_or_else(|| StoreError::NotAKey { path: self.path.clone() })
    }

    /// Makes it, durable before anything is sealed with it. Where another process is faster, its key is ours, too.
    fn make(&self) -> Result<Seal, StoreError> {
        let seal = Seal::generate().map_err(StoreError::Sealing)?;
        let pem = seal.to_pem().map_err(StoreError::Sealing)?;
        let made = files::create(&self.path, pem.expose()).map_err(|error| match error {
            StoreError::File { path, source } => StoreError::MakeKey { path, source },
            other => other,
        })?;
        if made {
            return Ok(seal);
        }
        self.read()?.ok_or_else(|| StoreError::file(&self.path)(ErrorKind::NotFound.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn secret() -> Secret {
        Secret::new(b"secret".to_vec())
    }

    #[test]
    fn two_at_once_come_to_the_same_key_which_is_its_owners_alone() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("seal.pem");
            let start = std::sync::Barrier::new(4);
            let seal = || {
                let key = SealKey::new(folder.path(), &path);
                start.wait();
                key.seal(&secret()).unwrap()
            };
            let sealed: Vec<Vec<u8>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(seal)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let key = SealKey::new(folder.path(), &path);
            for sealed in sealed {
                assert_eq!(key.get().unwrap().open(&sealed).unwrap().expose(), b"secret");
            }
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.pem");
        SealKey::new(folder.path(), &path).seal(&secret()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = SealKey::new(folder.path(), &path).seal(&secret()).unwrap_err();
        assert!(matches!(error, StoreError::Exposed { mode: 0o644, .. }), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "nothing").unwrap();
        let error = SealKey::new(folder.path(), &path).seal(&secret()).unwrap_err();
        assert!(matches!(error, StoreError::NotAKey { .. }), "{error}");
    }

    /// A group may read what is root's; nobody else may do anything with a key.
    #[test]
    fn who_may_read_a_sealing_key_depends_on_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.pem");
        SealKey::new(folder.path(), &path).seal(&secret()).unwrap();
        let is_roots = fs::metadata(&path).unwrap().uid() == 0;
        for (mode, roots, another_users) in [
            (0o600, true, true),
            (0o700, true, true),
            (0o640, true, false),
            (0o620, false, false),
            (0o610, false, false),
            (0o660, false, false),
            (0o604, false, false),
            (0o602, false, false),
            (0o601, false, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let sealed = SealKey::new(folder.path(), &path).seal(&secret());
            assert_eq!(sealed.is_ok(), if is_roots { roots } else { another_users }, "{mode:o}");
        }
    }

    #[test]
    fn a_state_has_one_key() {
        let state = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let key = |name: &str| SealKey::new(state.path(), &elsewhere.path().join(name));
        let file = state.path().join("accounts/a.json.cms");
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(&file, key("first").seal(&secret()).unwrap()).unwrap();
        assert_eq!(key("first").open(&file).unwrap().unwrap().expose(), b"secret");

        // Another is not made, and one that is there is not taken, not even to seal with.
        let error = key("second").seal(&secret()).unwrap_err();
        assert!(matches!(&error, StoreError::NoKey { path, .. } if *path == file), "{error}");
        let other = tempfile::tempdir().unwrap();
        SealKey::new(other.path(), &elsewhere.path().join("second")).seal(&secret()).unwrap();
        let error = key("second").seal(&secret()).unwrap_err();
        assert!(matches!(&error, StoreError::OtherKey { path, .. } if *path == file), "{error}");

        // A damaged file does not keep the others from being opened.
        fs::write(&file, "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n").unwrap();
        key("first").seal(&secret()).unwrap();
        let error = key("first").open(&file).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { .. }), "{error}");
        // Without the folder there is no place for a key.
        assert!(matches!(
            SealKey::new(other.path(), &other.path().join("no/key")).seal(&secret()),
            Err(StoreError::MakeKey { .. })
        ));
    }
}
