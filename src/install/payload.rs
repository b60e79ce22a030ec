//! The files of a version, as they will lie on a host.

use crate::certificate::CertificateSet;
use crate::install::{FileName, FilePart};
use crate::model::Secret;

/// Every file with its content: five for each certificate of the set.
pub fn files(set: &CertificateSet) -> Vec<(FileName, Secret)> {
    let mut files = Vec::new();
    for (algorithm, bundle) in set.files() {
        let combined = bundle.combined_pem();
        let parts = [
            (FilePart::Cert, Secret::new(bundle.cert_pem())),
            (FilePart::Chain, Secret::new(bundle.chain_pem())),
            (FilePart::Fullchain, Secret::new(bundle.fullchain_pem())),
            (FilePart::Privkey, bundle.key().clone()),
            (FilePart::Combined, combined),
        ];
        files.extend(parts.map(|(part, bytes)| (FileName { part, algorithm }, bytes)));
    }
    files
}
