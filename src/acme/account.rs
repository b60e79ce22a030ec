//! The account at an ACME server, kept in a file of its owner's alone.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use instant_acme::{Account, AccountCredentials, NewAccount};
use openssl::sha::sha256;

use super::error::IssueError;
use super::transport::Transport;
use crate::playbook::AcmeIssuer;

/// Takes the account up again, or makes one. A new one is on the disk before it is used.
pub(super) async fn take_up(folder: &Path, issuer: &AcmeIssuer) -> Result<Account, IssueError> {
    let url = &issuer.directory;
    let path = file_of(folder, issuer);
    let ca_file = issuer.ca_file.as_ref().map(|file| file.value.as_path());
    let builder = Account::builder_with_http(Box::new(Transport::new(ca_file)?));
    let failed = |source| IssueError::File { path: path.clone(), source };
    match fs::read(&path) {
        Ok(text) => {
            let credentials: AccountCredentials = serde_json::from_slice(&text)
                .map_err(|source| IssueError::Account { path: path.clone(), source })?;
            let account = builder.from_credentials(credentials).await;
            account.map_err(|error| IssueError::of("take up the account again", url, error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let contact: Vec<&str> = issuer.contact.iter().map(String::as_str).collect();
            let new =
                NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
            let made = builder.create(&new, url.clone(), None).await;
            let (account, credentials) =
                made.map_err(|error| IssueError::of("make an account", url, error))?;
            let text = serde_json::to_vec(&credentials)
                .map_err(|source| IssueError::Account { path: path.clone(), source })?;
            keep(folder, &path, &text).map_err(failed)?;
            Ok(account)
        }
        Err(source) => Err(failed(source)),
    }
}

/// Takes the account up again; none is made.
pub(super) async fn existing(folder: &Path, issuer: &AcmeIssuer) -> Result<Account, IssueError> {
    match file_of(folder, issuer).exists() {
        true => take_up(folder, issuer).await,
        false => Err(IssueError::NoAccount { url: issuer.directory.clone() }),
    }
}

/// Puts an account aside that the server no longer knows; its file is kept.
pub(super) fn forget(folder: &Path, issuer: &AcmeIssuer) -> Result<(), IssueError> {
    let path = file_of(folder, issuer);
    fs::rename(&path, path.with_extension("unknown")).map_err(|source| IssueError::File { path, source })
}

/// One for each server and set of contacts.
fn file_of(folder: &Path, issuer: &AcmeIssuer) -> PathBuf {
    let what = format!("{}\n{}", issuer.directory, issuer.contact.join("\n"));
    let host = issuer.directory.split('/').nth(2).unwrap_or_default().replace(':', "_");
    folder.join(format!("{host}-{}.json", hex::encode(&sha256(what.as_bytes())[..4])))
}

/// Writes a file of its owner's alone, down to the disk, whole or not at all.
pub(super) fn keep(folder: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("new");
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(folder)?.sync_all()
}
