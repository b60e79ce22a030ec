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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, now, pem};
    use crate::certificate::{Bundle, Requirements};

    #[test]
    fn each_file_holds_what_its_name_says() {
        let middle = Authority::new("Root").intermediate("Middle");
        let (leaf, key) = middle.issue(&LeafSpec::default());
        let required = Requirements { names: &[], now: now(), at_least: Duration::ZERO };
        let (leaf, chain) = (pem(&[&leaf]), pem(&[&middle.certificate]));
        let fullchain = [leaf.clone(), chain.clone()].concat();
        let bundle = Bundle::prove(&fullchain, &key, now(), &required).unwrap();
        let key = bundle.key().expose().to_vec();
        let expected = [
            ("cert.pem", leaf),
            ("chain.pem", chain),
            ("fullchain.pem", fullchain.clone()),
            ("privkey.pem", key.clone()),
            ("combined.pem", [fullchain, key].concat()),
        ];
        let files = files(&CertificateSet::new(bundle, None));
        let found = files.iter().map(|(name, bytes)| (name.to_string(), bytes.expose().to_vec()));
        assert_eq!(found.collect::<Vec<_>>(), expected.map(|(name, bytes)| (name.to_owned(), bytes)));
        let secret: Vec<String> =
            files.iter().filter(|(name, _)| name.is_secret()).map(|(name, _)| name.to_string()).collect();
        assert_eq!(secret, ["privkey.pem", "combined.pem"]);
    }
}
