//! HAProxy: its settings.

use serde::{Deserialize, Serialize};

use crate::install::FileName;
use crate::model::HostPath;

/// An HAProxy. Its disk is changed first, so that the next reload keeps the certificate; then its memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Haproxy {
    /// The runtime API of each process; none where every change is a reload.
    pub sockets: Vec<HostPath>,
    /// What it serves: one, or two of dual certificates.
    pub certificates: Vec<HaproxyCertificate>,
    /// The crt-list, or folder, for a certificate that HAProxy does not have yet.
    pub crt_list: Option<HostPath>,
    /// How it is reloaded, where it has no runtime API or a certificate is too long for it.
    pub reload: HaproxyReload,
    /// The program.
    pub binary: HostPath,
    /// `-f`
    pub config: HostPath,
    /// A command instead of `haproxy -c`.
    pub test: Option<String>,
    /// `tune.bufsize`, bytes.
    pub bufsize: u32,
}

/// A certificate as HAProxy's configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaproxyCertificate {
    /// As `crt` names it; `show ssl cert` may know it by a shorter name: see [`HaproxyCertificate::among`].
    pub path: HostPath,
    /// What it leads to.
    pub file: FileName,
}

/// How an HAProxy is reloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaproxyReload {
    /// `reload` on the socket of its master process (Management Guide, section 9.4).
    Master(HostPath),
    /// A command.
    Command(String),
}

impl Haproxy {
    /// Where distributions put the program.
    pub const DEFAULT_BINARY: &'static str = "/usr/sbin/haproxy";
    /// Where distributions put its configuration.
    pub const DEFAULT_CONFIG: &'static str = "/etc/haproxy/haproxy.cfg";
    /// Where their units put the master's socket.
    pub const DEFAULT_MASTER_SOCKET: &'static str = "/run/haproxy-master.sock";
    /// What systemd is told.
    pub const SYSTEMD_RELOAD: &'static str = "systemctl reload haproxy";
    /// `tune.bufsize` unless it is configured (Configuration Manual, section 3.2).
    pub const DEFAULT_BUFSIZE: u32 = 16_384;

    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        // A crt-list names files that are on the disk, so it is kept up with them.
        let certificates: Vec<&str> = self.certificates.iter().map(|one| one.path.as_str()).collect();
        let reload = match &self.reload {
            HaproxyReload::Command(command) if self.sockets.is_empty() => command.clone(),
            HaproxyReload::Command(_) | HaproxyReload::Master(_) => String::new(),
        };
        let (undo, master) = match &self.reload {
            HaproxyReload::Command(command) => (command.clone(), String::new()),
            HaproxyReload::Master(socket) => (String::new(), socket.to_string()),
        };
        vec![
            ("undo_command", undo),
            ("master_socket", master),
            ("binary", self.binary.to_string()),
            ("config", self.config.to_string()),
            ("test_command", self.test.clone().unwrap_or_default()),
            ("reload_command", reload),
            ("crt_list", self.crt_list.as_ref().map(HostPath::to_string).unwrap_or_default()),
            ("certificates", certificates.join("\n")),
        ]
    }
}

impl HaproxyCertificate {
    /// The name that HAProxy has for it, among all that `show ssl cert` lists: the path as its configuration
    /// writes it, which may be relative to where HAProxy was started.
    pub fn among<'n>(&self, names: &'n [String]) -> Option<&'n str> {
        let path = self.path.as_str();
        let is_it = |name: &&String| {
            let plain =
                name.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
            !plain.is_empty()
                && path.ends_with(&format!("/{plain}"))
                && (name.starts_with('/') <= (format!("/{plain}") == path))
        };
        let exact = names.iter().find(|name| *name == path);
        let mut like = names.iter().filter(|name| is_it(name));
        match (exact, like.next(), like.next()) {
            (Some(name), ..) | (None, Some(name), None) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::FilePart;

    #[test]
    fn a_certificate_is_found_by_the_name_that_haproxy_has_for_it() {
        let certificate = HaproxyCertificate {
            path: "/etc/haproxy/certs/a.pem".parse().unwrap(),
            file: FilePart::Combined.into(),
        };
        let among = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            certificate.among(&names).map(str::to_owned)
        };
        assert_eq!(among(&["/etc/haproxy/certs/a.pem", "certs/a.pem"]).unwrap(), "/etc/haproxy/certs/a.pem");
        assert_eq!(among(&["certs/b.pem", "certs/a.pem"]).unwrap(), "certs/a.pem");
        assert_eq!(among(&["/etc/haproxy/certs//a.pem"]).unwrap(), "/etc/haproxy/certs//a.pem");
        // Two that it could be, another folder, and the end of another name.
        assert_eq!(among(&["certs/a.pem", "a.pem"]), None);
        assert_eq!(among(&["/certs/a.pem", "other/a.pem", "ta.pem"]), None);
    }
}
