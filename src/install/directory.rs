//! Which folders can hold certificates: the playbook's `install: directory`.

use std::str::FromStr;

use crate::model::HostPath;

/// A folder that can hold certificates and survives a reboot, as far as its path tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallDirectory(pub HostPath);

/// File systems of the kernel's, with all that is below them.
const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Folders that everybody may write to.
const EVERYBODYS: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"];
/// How names of files end that a folder is mistaken for.
const FILES: [&str; 12] =
    ["pem", "crt", "cer", "key", "p12", "pfx", "jks", "csr", "conf", "cfg", "yaml", "yml"];

impl FromStr for InstallDirectory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path: HostPath = text.parse().map_err(|error: crate::model::InvalidPath| error.to_string())?;
        match refusal(path.as_str()) {
            Some(why) => Err(format!("`{path}` cannot hold certificates: {why}")),
            None => Ok(Self(path)),
        }
    }
}

fn refusal(path: &str) -> Option<&'static str> {
    let is_below = |folder: &&str| {
        path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Below the folder that is kept in memory, a host without a disk may have nothing else.
    if KERNELS.iter().any(is_below) && !path.starts_with("/dev/shm/") {
        return Some("that is the kernel's, and no file stays there");
    }
    if EVERYBODYS.contains(&path) {
        return Some("everybody may write to it; name a folder of its own");
    }
    if path.split('/').any(|part| part == ".ssh") {
        return Some("that is for logins: whoever writes there decides who may log in");
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    if ending.is_some_and(|ending| FILES.contains(&ending)) {
        return Some("that is the name of a file; name the folder that files go into");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_keep_nothing_or_are_somebody_elses_are_refused() {
        for (path, why) in [
            ("/proc", "the kernel's"),
            ("/proc/1/cwd/certwave", "the kernel's"),
            ("/sys/fs/x", "the kernel's"),
            ("/dev", "the kernel's"),
            ("//dev/certwave/", "the kernel's"),
            ("/dev/shm", "the kernel's"),
            ("/tmp", "everybody may write"),
            ("/tmp/", "everybody may write"),
            ("/var/tmp", "everybody may write"),
            ("/home/ops/.ssh", "who may log in"),
            ("/home/ann/.ssh/tls", "who may log in"),
            ("/etc/ssl/site.pem", "the name of a file"),
            ("/etc/nginx/nginx.conf", "the name of a file"),
            ("etc", "it must be absolute"),
        ] {
            let told = path.parse::<InstallDirectory>().unwrap_err();
            assert!(told.contains(why), "{path}: {told}");
        }
        for path in
            ["/etc/certwave", "/tmp/lab/hosts/1", "/dev/shm/x", "/process", "/etc/a.example.com", "/srv/.pem"]
        {
            assert_eq!(path.parse::<InstallDirectory>().unwrap().0.as_str(), path);
        }
    }
}
