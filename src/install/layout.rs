//! Where things are on a host, and how they are installed there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::install::{FileCopy, FileName};
use crate::model::{CertificateName, HostPath, Version};

/// Paths of one certificate on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    directory: HostPath,
    name: CertificateName,
}

/// As long may a file's name be on Linux: `NAME_MAX`, in bytes.
const NAME_MAX: usize = 255;

impl Layout {
    /// As long may a certificate's name be. Of all files that are called after it, a link to a version has the longest name.
    pub const LONGEST_NAME: usize = NAME_MAX - ".~".len() - Version::LONGEST;

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

/// What the `live` link to a version is called until it is renamed.
pub(super) fn link_draft(name: &CertificateName, version: &Version) -> String {
    format!(".{name}~{version}")
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
    /// Files of their own besides, each with a file's content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<FileCopy>,
    /// A boot unit may be installed, so that the dead-man switch outlives a reboot.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub boot_unit: bool,
}

impl InstallSpec {
    /// The file on the controller that has the password of the keystores; none where there are no keystores.
    pub fn keystore_password(&self) -> Option<&PathBuf> {
        self.copies.iter().find_map(|copy| copy.password.as_ref())
    }
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
    use crate::install::FilePart;

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
    fn the_longest_name_leaves_room_for_what_files_have_in_theirs_besides() {
        let name: CertificateName = "n".repeat(Layout::LONGEST_NAME).parse().unwrap();
        let version: Version = "20261123T200100Z-3f9a1c2e-7d41aa".parse().unwrap();
        assert_eq!(link_draft(&name, &version).len(), NAME_MAX);
        assert!(format!(".dead-man.{name}~fired.new").len() < NAME_MAX);
    }
}
