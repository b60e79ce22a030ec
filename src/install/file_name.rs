//! The files of a version.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::certificate::KeyAlgorithm;

/// What a file of a version holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilePart {
    /// `cert.pem`: the leaf.
    Cert,
    /// `chain.pem`: the intermediates.
    Chain,
    /// `fullchain.pem`: the leaf, then the intermediates.
    Fullchain,
    /// `privkey.pem`: the private key.
    Privkey,
    /// `combined.pem`: leaf, intermediates and private key, as HAProxy reads them.
    Combined,
    /// `key-first.pem`: private key, leaf and intermediates, as Postfix reads them (`smtpd_tls_chain_files` in postconf(5)).
    KeyFirst,
    /// `keystore.p12`: all of these in one encrypted file (PKCS #12, RFC 7292), as Java reads them.
    Keystore,
}

impl FilePart {
    /// Those that every version has.
    pub const ALWAYS: [FilePart; 5] =
        [FilePart::Cert, FilePart::Chain, FilePart::Fullchain, FilePart::Privkey, FilePart::Combined];

    /// All of them.
    pub const ALL: [FilePart; 7] = [
        FilePart::Cert,
        FilePart::Chain,
        FilePart::Fullchain,
        FilePart::Privkey,
        FilePart::Combined,
        FilePart::KeyFirst,
        FilePart::Keystore,
    ];

    fn stem(self) -> &'static str {
        match self {
            FilePart::Cert => "cert",
            FilePart::Chain => "chain",
            FilePart::Fullchain => "fullchain",
            FilePart::Privkey => "privkey",
            FilePart::Combined => "combined",
            FilePart::KeyFirst => "key-first",
            FilePart::Keystore => "keystore",
        }
    }
}

/// A file of a version: `fullchain.pem`, and for the second of dual certificates `fullchain.rsa.pem`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName {
    /// What it holds.
    pub part: FilePart,
    /// The algorithm in its name: of the second of dual certificates only.
    pub algorithm: Option<KeyAlgorithm>,
}

impl FileName {
    /// Whether it holds the private key.
    pub fn is_secret(self) -> bool {
        !matches!(self.part, FilePart::Cert | FilePart::Chain | FilePart::Fullchain)
    }
}

impl From<FilePart> for FileName {
    fn from(part: FilePart) -> Self {
        Self { part, algorithm: None }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stem, kind) = (self.part.stem(), if self.part == FilePart::Keystore { "p12" } else { "pem" });
        match self.algorithm {
            Some(algorithm) => f.pad(&format!("{stem}.{algorithm}.{kind}")),
            None => f.pad(&format!("{stem}.{kind}")),
        }
    }
}

impl FromStr for FileName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let algorithms = [None, Some(KeyAlgorithm::Ecdsa), Some(KeyAlgorithm::Rsa)];
        let mut all = algorithms
            .into_iter()
            .flat_map(|algorithm| FilePart::ALL.map(|part| FileName { part, algorithm }));
        all.find(|file| file.to_string() == text).ok_or_else(|| {
            let all = FilePart::ALL.map(|part| format!("`{}`", FileName::from(part))).join(", ");
            format!("`{text}` is not a file of a version: they are {all}")
        })
    }
}

impl TryFrom<String> for FileName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FileName> for String {
    fn from(file: FileName) -> String {
        file.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_file_is_told_the_known_ones() {
        assert_eq!("combined.pem".parse(), Ok(FileName::from(FilePart::Combined)));
        let second = FileName { part: FilePart::Fullchain, algorithm: Some(KeyAlgorithm::Rsa) };
        assert_eq!("fullchain.rsa.pem".parse(), Ok(second));
        assert!("key.pem".parse::<FileName>().unwrap_err().contains("`privkey.pem`"));
    }
}
