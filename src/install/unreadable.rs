//! Whether the servers of a host could read what is installed, also when they are started anew.

use crate::install::{Facts, InstallError, InstallSpec, KeyFile, Ownership, ScriptService};

impl Facts {
    /// Servers that could not read the new key, each as the error that it is.
    pub(super) fn unreadable(&self, spec: &InstallSpec, services: &[ScriptService]) -> Vec<InstallError> {
        let Ok(wanted) = Ownership::of(spec, &self.key_files) else { return Vec::new() };
        let mut problems = Vec::new();
        for reader in &self.readers {
            let Some(service) = services.get(reader.service) else { continue };
            if self.reads_a_copy(reader.service, spec) {
                continue;
            }
            if reader.enters == Some(false) {
                problems.push(InstallError::Hidden {
                    service: service.name.clone(),
                    user: reader.user.clone(),
                    path: spec.layout.directory().to_string(),
                });
            } else if let (Some(owner), Some(group)) = self.numbers(&wanted)
                && !reader.may_read((owner, group), wanted.key_mode)
            {
                problems.push(InstallError::KeyUnreadable {
                    service: service.name.clone(),
                    user: reader.user.clone(),
                    owned: format!("{}:{} {:04o}", wanted.owner, wanted.group, wanted.key_mode),
                });
            }
        }
        problems
    }

    /// Whether a server's key is a copy, as far as it tells: that has an owner of its own.
    fn reads_a_copy(&self, service: usize, spec: &InstallSpec) -> bool {
        let secret = spec.copies.iter().filter(|copy| copy.file.is_secret());
        let mut paths = secret.map(|copy| copy.path.as_str()).peekable();
        let files = self.reads.get(service).map(|reads| reads.files.as_slice()).unwrap_or_default();
        paths.peek().is_some()
            && (files.is_empty() || paths.any(|path| files.iter().any(|file| file.path == path)))
    }

    /// An owner and a group by their numbers, each as far as the host told it.
    pub(super) fn numbers(&self, wanted: &Ownership) -> (Option<u32>, Option<u32>) {
        let known = |name: &str| name.parse().ok().or_else(|| (name == "root").then_some(0));
        let file = self.key_files.first();
        let owner = known(&wanted.owner)
            .or_else(|| (wanted.owner == self.user).then_some(self.uid))
            .or_else(|| file.filter(|file| file.owner == wanted.owner).and_then(KeyFile::uid))
            .or(self.owner_number);
        let group = known(&wanted.group)
            .or_else(|| file.filter(|file| file.group == wanted.group).and_then(KeyFile::gid))
            .or(self.group_number);
        (owner, group)
    }
}
