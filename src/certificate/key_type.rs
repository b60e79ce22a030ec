//! The kinds of keys that a certificate may have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Algorithm and size of a certificate's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// ECDSA on P-256: small, fast, and accepted everywhere.
    #[default]
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA on P-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// RSA of 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA of 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA of 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

/// What a key signs with: a server may have a certificate of each, and a client chooses by the signature
/// algorithms that it offers (RFC 8446, section 4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyAlgorithm {
    /// ECDSA.
    Ecdsa,
    /// RSA.
    Rsa,
}

impl KeyAlgorithm {
    /// Both.
    pub const ALL: [KeyAlgorithm; 2] = [KeyAlgorithm::Ecdsa, KeyAlgorithm::Rsa];

    /// The word for it in playbooks and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyAlgorithm::Ecdsa => "ecdsa",
            KeyAlgorithm::Rsa => "rsa",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl KeyType {
    /// What it signs with.
    pub fn algorithm(self) -> KeyAlgorithm {
        match self {
            KeyType::EcdsaP256 | KeyType::EcdsaP384 => KeyAlgorithm::Ecdsa,
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => KeyAlgorithm::Rsa,
        }
    }
}

const ALL: [(KeyType, &str); 5] = [
    (KeyType::EcdsaP256, "ecdsa-p256"),
    (KeyType::EcdsaP384, "ecdsa-p384"),
    (KeyType::Rsa2048, "rsa-2048"),
    (KeyType::Rsa3072, "rsa-3072"),
    (KeyType::Rsa4096, "rsa-4096"),
];

/// Why a text is not a key type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a key type: write `ecdsa-p256`, `ecdsa-p384`, `rsa-2048`, `rsa-3072` or `rsa-4096`")]
pub struct InvalidKeyType(String);

impl FromStr for KeyType {
    type Err = InvalidKeyType;

    fn from_str(text: &str) -> Result<Self, InvalidKeyType> {
        ALL.iter()
            .find(|(_, name)| *name == text)
            .map(|(kind, _)| *kind)
            .ok_or_else(|| InvalidKeyType(text.to_owned()))
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ALL.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are in playbooks, plans and journals.
    #[test]
    fn each_kind_has_one_word_and_one_algorithm() {
        for (kind, word, algorithm) in [
            (KeyType::EcdsaP256, "ecdsa-p256", "ecdsa"),
            (KeyType::EcdsaP384, "ecdsa-p384", "ecdsa"),
            (KeyType::Rsa2048, "rsa-2048", "rsa"),
            (KeyType::Rsa3072, "rsa-3072", "rsa"),
            (KeyType::Rsa4096, "rsa-4096", "rsa"),
        ] {
            assert_eq!((kind.to_string().as_str(), word.parse()), (word, Ok(kind)));
            assert_eq!(serde_json::to_value(kind).unwrap(), word);
            assert_eq!(kind.algorithm().to_string(), algorithm);
            assert_eq!(serde_json::to_value(kind.algorithm()).unwrap(), algorithm);
        }
        assert!("rsa-1024".parse::<KeyType>().is_err() && "RSA-2048".parse::<KeyType>().is_err());
        assert_eq!(KeyType::default(), KeyType::EcdsaP256);
    }
}
