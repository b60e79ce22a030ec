//! What a file of an inventory is.

use crate::yaml::SourceId;

/// One file of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryFile {
    /// Its text.
    pub source: SourceId,
    /// What it is.
    pub kind: FileKind,
}

/// What a file of an inventory is, by where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// Groups and hosts.
    Inventory,
    /// `group_vars/NAME.yaml` or `group_vars/NAME/*.yaml`
    GroupVars(String),
    /// `host_vars/NAME.yaml` or `host_vars/NAME/*.yaml`
    HostVars(String),
}

impl FileKind {
    /// What the file at a path relative to the inventory's folder is.
    pub fn of_path(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        let name = |part: &str| {
            let stem = [".yaml", ".yml", ".json"].iter().find_map(|ending| part.strip_suffix(ending));
            stem.unwrap_or(part).to_owned()
        };
        match parts.as_slice() {
            ["group_vars", file] => FileKind::GroupVars(name(file)),
            ["host_vars", file] => FileKind::HostVars(name(file)),
            ["group_vars", folder, _] => FileKind::GroupVars((*folder).to_owned()),
            ["host_vars", folder, _] => FileKind::HostVars((*folder).to_owned()),
            _ => FileKind::Inventory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_where_they_lie() {
        assert_eq!(FileKind::of_path("hosts.yaml"), FileKind::Inventory);
        assert_eq!(FileKind::of_path("eu/group_vars.yaml"), FileKind::Inventory);
        assert_eq!(FileKind::of_path("group_vars/web.json"), FileKind::GroupVars("web".to_owned()));
        assert_eq!(FileKind::of_path("host_vars/a/x.yaml"), FileKind::HostVars("a".to_owned()));
        assert_eq!(FileKind::of_path("group_vars/web.yml"), FileKind::GroupVars("web".to_owned()));
        assert_eq!(FileKind::of_path("host_vars/a.b.test"), FileKind::HostVars("a.b.test".to_owned()));
        assert_eq!(FileKind::of_path("group_vars/all/x.yaml"), FileKind::GroupVars("all".to_owned()));
    }
}
