//! Why TLS could not be set up.

use std::path::PathBuf;

use openssl::error::ErrorStack;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of trusted roots.
    #[error("read the trusted roots in `{}`", path.display())]
    Roots {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of trusted roots that holds none.
    #[error("use `{}`: it holds no PEM certificate", path.display())]
    NoRoots {
        /// Which file.
        path: PathBuf,
    },
    /// OpenSSL itself.
    #[error("set up TLS")]
    OpenSsl(#[from] ErrorStack),
    /// rustls itself.
    #[error("set up TLS")]
    Rustls(#[from] rustls::Error),
}
