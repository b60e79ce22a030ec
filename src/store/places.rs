//! Where secrets lie in a state, and how sealed files are called.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// Accounts at ACME servers.
pub(super) const ACCOUNTS: &str = "accounts";
/// Orders that are not settled yet.
pub(super) const ORDERS: &str = "orders";
/// Certificates: `NAME/VERSION`.
pub(super) const CERTIFICATES: &str = "certificates";

/// Files that holders of leases keep locked.
pub(super) const LEASES: &str = "leases";

/// What the name of a sealed file ends in.
const ENDING: &str = "cms";

/// The file that holds, sealed, what is called `path`.
pub(super) fn sealed(path: &Path) -> PathBuf {
    let mut sealed = path.as_os_str().to_owned();
    sealed.push(".");
    sealed.push(ENDING);
    sealed.into()
}

pub(super) fn is_sealed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == ENDING)
}

/// Every file where secrets lie, sealed or not.
pub(super) fn secret_files(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = entries(&root.join(ACCOUNTS))?;
    files.extend(entries(&root.join(ORDERS))?);
    // Not one that is being written, which is sealed and has no name yet.
    files.retain(|file| !is_hidden(file));
    for name in entries(&root.join(CERTIFICATES))? {
        for version in entries(&name)? {
            let keys = entries(&version)?.into_iter();
            files.extend(keys.filter(|file| file_name(file).contains("privkey")));
        }
    }
    Ok(files)
}

pub(super) fn is_hidden(path: &Path) -> bool {
    file_name(path).starts_with('.')
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What is in a folder; nothing where there is none, or none any more.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(StoreError::file(folder)(error)),
    }
}
