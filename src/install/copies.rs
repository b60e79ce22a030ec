//! Files of their own beside the links: the playbook's `copies`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::install::FileName;
use crate::model::HostPath;

/// A plain file on a host with the content of a version's file. It is switched and rolled back with the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCopy {
    /// Where it stands.
    pub path: HostPath,
    /// Whose content it has.
    pub file: FileName,
    /// Its owner, a name or a number; none: that of the file that it replaces, else that of the version's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its group, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its permission bits, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u16>,
    /// The file on the controller that has the keystore's password; of a keystore only. The password itself is in no plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PathBuf>,
}
