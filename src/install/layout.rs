//! Where things are on a host, and how they are installed there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::certificate::KeyAlgorithm;
use crate::model::{CertificateName, HostPath, Version};

/// Paths of one certificate on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    directory: HostPath,
    name: CertificateName,
}

impl Layout {
    /// The layout of certificate `name` under `directory`.
    pub fn new(directory: HostPath, name: CertificateName) -> Self {
        Self { directory, name }
    }

    /// The folder that everything is in: `/etc/certwave`.
    pub fn directory(&self) -> &HostPath {
        &self.directory
    }

    /// The certificate's name.
    pub fn name(&self) -> &CertificateName {
        &self.name
    }

    /// The folder of all versions: `archive/NAME`.
    pub fn archive(&self) -> HostPath {
        self.directory.join("archive").join(self.name.as_str())
    }

    /// The folder of one version: `archive/NAME/VERSION`.
    pub fn version(&self, version: &Version) -> HostPath {
        self.archive().join(version.as_str())
    }

    /// The link that one rename(2) switches: `live/NAME`.
    pub fn live(&self) -> HostPath {
        self.directory.join("live").join(self.name.as_str())
    }

    /// What a server's configuration names: `live/NAME/FILE`.
    pub fn live_file(&self, file: FileName) -> HostPath {
        self.live().join(&file.to_string())
    }

    /// What the `live` link says for a version; relative, so that the folder can be moved or mounted elsewhere.
    pub fn live_target(&self, version: &Version) -> String {
        link_target(&self.name, version)
    }

    /// The lock's file. One for the folder, not for each certificate: two reloads of one server at a time could
    /// not be told apart.
    pub fn lock(&self) -> HostPath {
        self.directory.join(".lock")
    }
}

pub(super) fn link_target(name: &CertificateName, version: &Version) -> String {
    format!("../archive/{name}/{version}")
}

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
}

impl FilePart {
    /// All of them.
    pub const ALL: [FilePart; 5] =
        [FilePart::Cert, FilePart::Chain, FilePart::Fullchain, FilePart::Privkey, FilePart::Combined];

    fn stem(self) -> &'static str {
        match self {
            FilePart::Cert => "cert",
            FilePart::Chain => "chain",
            FilePart::Fullchain => "fullchain",
            FilePart::Privkey => "privkey",
            FilePart::Combined => "combined",
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
        matches!(self.part, FilePart::Privkey | FilePart::Combined)
    }
}

impl From<FilePart> for FileName {
    fn from(part: FilePart) -> Self {
        Self { part, algorithm: None }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stem = self.part.stem();
        match self.algorithm {
            Some(algorithm) => f.pad(&format!("{stem}.{algorithm}.pem")),
            None => f.pad(&format!("{stem}.pem")),
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

/// How a certificate is installed on a host: the playbook's `install`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallSpec {
    /// Where.
    pub layout: Layout,
    /// How many versions stay in the archive; the live one and the previous one always do.
    pub keep: u32,
    /// The files' owner, a name or a number; none: that of the file that is replaced ([`crate::install::Ownership`]).
    pub owner: Option<String>,
    /// The files' group, likewise.
    pub group: Option<String>,
    /// The mode of the files that hold the private key, likewise; the others are 0644.
    pub key_mode: Option<u16>,
    /// Paths that servers' configurations already name, each made a link to a file of the live version.
    pub links: Vec<(HostPath, FileName)>,
    /// A boot unit may be installed, so that the dead-man switch outlives a reboot.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub boot_unit: bool,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_interface() {
        let layout = Layout::new("/etc/certwave".parse().unwrap(), "api.example.com".parse().unwrap());
        let version: Version = "20261123T200100Z-3f9a1c2e".parse().unwrap();
        assert_eq!(
            layout.version(&version).as_str(),
            "/etc/certwave/archive/api.example.com/20261123T200100Z-3f9a1c2e"
        );
        assert_eq!(
            layout.live_file(FilePart::Privkey.into()).as_str(),
            "/etc/certwave/live/api.example.com/privkey.pem"
        );
        assert_eq!(layout.live_target(&version), "../archive/api.example.com/20261123T200100Z-3f9a1c2e");
        assert_eq!(layout.live().as_str(), "/etc/certwave/live/api.example.com");
        // One for every certificate of the folder.
        assert_eq!(layout.lock().as_str(), "/etc/certwave/.lock");
    }

    #[test]
    fn an_unknown_file_is_told_the_known_ones() {
        assert_eq!("combined.pem".parse(), Ok(FileName::from(FilePart::Combined)));
        let second = FileName { part: FilePart::Fullchain, algorithm: Some(KeyAlgorithm::Rsa) };
        assert_eq!("fullchain.rsa.pem".parse(), Ok(second));
        assert!("key.pem".parse::<FileName>().unwrap_err().contains("`privkey.pem`"));
    }
}
