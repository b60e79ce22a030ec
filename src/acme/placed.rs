//! An order that was placed and is not settled yet: its URL and its key are on the disk, so that whoever comes after
//! a crash takes it up again, and nothing that counts against the CA's limits is lost.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use zeroize::Zeroizing;

use super::account::keep;
use super::error::IssueError;
use super::order::Request;

/// An order on the disk. It stays there until [`PlacedOrder::settle`].
#[derive(Debug)]
pub struct PlacedOrder {
    /// Holds the URL; written last.
    file: PathBuf,
    key_file: PathBuf,
}

impl PlacedOrder {
    /// Where the order that a request makes is kept: one for each server, contact, profile, set of names and key.
    fn of(request: &Request<'_>) -> Self {
        let issuer = request.issuer;
        let names: Vec<&str> = request.domains.iter().map(|name| name.as_str()).collect();
        let profile = issuer.profile.as_deref().unwrap_or_default();
        let key = request.key.to_string();
        let what = [&issuer.directory, &issuer.contact.join(","), profile, &names.join(","), &key].join("\n");
        let first = names.first().copied().unwrap_or_default().replace('*', "_");
        let stem = format!("{first}-{}", hex::encode(&sha256(what.as_bytes())[..8]));
        let file = request.orders.join(format!("{stem}.url"));
        Self { key_file: file.with_extension("pem"), file }
    }

    /// The one that an earlier try left, with its URL and key.
    pub(super) fn find(request: &Request<'_>) -> Result<Option<(Self, String, PKey<Private>)>, IssueError> {
        let this = Self::of(request);
        let (Some(url), Some(pem)) = (read(&this.file)?, read(&this.key_file)?) else { return Ok(None) };
        let url = String::from_utf8_lossy(&url).trim().to_owned();
        Ok(PKey::private_key_from_pem(&pem).ok().map(|key| (this, url, key)))
    }

    /// Keeps a new one: the key first.
    pub(super) fn keep(request: &Request<'_>, url: &str, key: &PKey<Private>) -> Result<Self, IssueError> {
        let this = Self::of(request);
        let pem = Zeroizing::new(key.private_key_to_pem_pkcs8()?);
        for (path, bytes) in [(&this.key_file, pem.as_slice()), (&this.file, url.as_bytes())] {
            keep(request.orders, path, bytes)
                .map_err(|source| IssueError::File { path: path.clone(), source })?;
        }
        Ok(this)
    }

    /// Nothing is left to be done with it: its certificate is in the store, or it will never have one.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn settle(self) -> Result<(), IssueError> {
        for path in [self.file, self.key_file] {
            fs::remove_file(&path).map_err(|source| IssueError::File { path, source })?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, IssueError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IssueError::File { path: path.to_owned(), source }),
    }
}
