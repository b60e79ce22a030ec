//! Text files that people wrote.

use std::path::Path;

use openssl::sha::sha256;

use crate::operations::{OperationError, Problem};
use crate::preview::SourceFile;

/// A text file.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<String, OperationError> {
    Ok(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

/// A file that may hold anything.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, OperationError> {
    crate::bounded::read(path).map_err(|error| {
        let problem = Problem::File { path: path.to_owned(), folder: false };
        OperationError::from(problem).because(error.to_string())
    })
}

/// A file that a plan is made from, as it is now.
pub(super) fn source(path: &Path, text: &str) -> SourceFile {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    SourceFile { path: path.display().to_string(), sha256: hex::encode(sha256(text.as_bytes())) }
}
