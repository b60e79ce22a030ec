//! The files of a version, as they will lie on a host.

use std::sync::OnceLock;

use crate::certificate::CertificateSet;
use crate::install::{FileName, FilePart, StagePayload};
use crate::model::{CertificateName, Secret, Version};

/// Which files a version has beyond those that every version has.
#[derive(Debug, Clone, Default)]
pub struct Formats {
    /// `key-first.pem`.
    pub key_first: bool,
    /// `keystore.p12`: its password.
    pub keystore: Option<Secret>,
}

impl Formats {
    /// Which files these are, of a single certificate.
    pub fn parts(&self) -> impl Iterator<Item = FilePart> {
        let key_first = self.key_first.then_some(FilePart::KeyFirst);
        let keystore = self.keystore.as_ref().map(|_| FilePart::Keystore);
        key_first.into_iter().chain(keystore)
    }
}

/// Every file with its content: five for each certificate of the set, and what the formats say.
///
/// # Errors
/// In words, where a keystore cannot be encrypted.
pub fn files(set: &CertificateSet, formats: &Formats) -> Result<Vec<(FileName, Secret)>, String> {
    let mut files = Vec::new();
    for (algorithm, bundle) in set.files() {
        let mut parts = vec![
            (FilePart::Cert, Secret::new(bundle.cert_pem())),
            (FilePart::Chain, Secret::new(bundle.chain_pem())),
            (FilePart::Fullchain, Secret::new(bundle.fullchain_pem())),
            (FilePart::Privkey, bundle.key().clone()),
            (FilePart::Combined, bundle.combined_pem()),
        ];
        if formats.key_first {
            parts.push((FilePart::KeyFirst, bundle.key_first_pem()));
        }
        if let Some(password) = &formats.keystore {
            let keystore = bundle.keystore(password);
            let failed = |error| format!("failed to encrypt the keystore: {error}");
            parts.push((FilePart::Keystore, keystore.map_err(failed)?));
        }
        files.extend(parts.into_iter().map(|(part, bytes)| (FileName { part, algorithm }, bytes)));
    }
    Ok(files)
}

/// What hosts are sent when they are staged: the same bytes for all, but that `combined.pem` has the key first on some.
#[derive(Debug)]
pub struct Payloads {
    name: CertificateName,
    version: Version,
    files: Vec<(FileName, Secret)>,
    key_last: StagePayload,
    key_first: OnceLock<StagePayload>,
}

impl Payloads {
    /// Of the files of a version.
    pub fn new(name: CertificateName, version: Version, files: Vec<(FileName, Secret)>) -> Self {
        let key_last = StagePayload::new(&name, &version, &files);
        Self { name, version, files, key_last, key_first: OnceLock::new() }
    }

    /// For a host where the key comes first, or last, in `combined.pem`.
    pub fn of(&self, key_first: bool) -> &StagePayload {
        match key_first {
            false => &self.key_last,
            true => self.key_first.get_or_init(|| self.with_key_first()),
        }
    }

    fn with_key_first(&self) -> StagePayload {
        let bytes = |part, algorithm| {
            let wanted = FileName { part, algorithm };
            self.files.iter().find(|(file, _)| *file == wanted).map(|(_, bytes)| bytes)
        };
        let turned = self.files.iter().map(|(file, content)| {
            let parts =
                (bytes(FilePart::Privkey, file.algorithm), bytes(FilePart::Fullchain, file.algorithm));
            match (file.part, parts) {
                (FilePart::Combined, (Some(key), Some(chain))) => (*file, key.followed_by(chain)),
                _ => (*file, content.clone()),
            }
        });
        StagePayload::new(&self.name, &self.version, &turned.collect::<Vec<_>>())
    }
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
        let set = CertificateSet::new(bundle, None);
        let files = files(&set, &Formats::default()).unwrap();
        let found = files.iter().map(|(name, bytes)| (name.to_string(), bytes.expose().to_vec()));
        assert_eq!(found.collect::<Vec<_>>(), expected.map(|(name, bytes)| (name.to_owned(), bytes)));
        let secret: Vec<String> =
            files.iter().filter(|(name, _)| name.is_secret()).map(|(name, _)| name.to_string()).collect();
        assert_eq!(secret, ["privkey.pem", "combined.pem"]);
    }
}
