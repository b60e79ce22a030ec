//! The errors of files.

use std::path::Path;

use crate::ports::StoreError;

impl StoreError {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::File { path, source }
    }

    pub(super) fn unreadable(path: &Path) -> impl FnOnce(serde_json::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Unreadable { path, source }
    }
}
