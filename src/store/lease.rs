//! One rollout of a certificate at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{StoreError, files};
use crate::model::CertificateName;

/// The right to roll out a certificate, held while this value lives.
#[derive(Debug)]
pub struct Lease {
    _locked: File,
}

impl Lease {
    pub(super) fn take(
        folder: &Path,
        certificate: &CertificateName,
        holder: &str,
    ) -> Result<Self, StoreError> {
        files::private_folder(folder)?;
        let path = folder.join(certificate.as_str());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::file(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(StoreError::file(&path))?;
                let certificate = certificate.to_string();
                return Err(StoreError::Held { certificate, holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::file(&path)(source)),
        }
        // Who holds it is for people; the lock itself is the kernel's.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(StoreError::file(&path))?;
        Ok(Self { _locked: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let name: CertificateName = "a.test".parse().unwrap();
        let first = Lease::take(folder.path(), &name, "rollout 1").unwrap();
        let error = Lease::take(folder.path(), &name, "rollout 2").unwrap_err();
        assert_eq!(error.to_string(), "start: a rollout of `a.test` is already running: rollout 1");
        drop(first);
        // Another test that starts a process just now lends it the file for the moment between fork and exec.
        let start = std::time::Instant::now();
        while let Err(error) = Lease::take(folder.path(), &name, "rollout 2") {
            assert!(start.elapsed().as_secs() < 30, "{error}");
            std::thread::yield_now();
        }
    }
}
