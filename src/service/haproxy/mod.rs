//! HAProxy: its settings, and its script.

mod certificate;
pub mod master;
pub mod runtime_api;

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateSet;
use crate::model::HostPath;
use crate::service::{Service, Way};

pub use certificate::HaproxyCertificate;
pub use runtime_api::RuntimeError;

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
}

impl Service for Haproxy {
    fn kind(&self) -> &'static str {
        "haproxy"
    }

    fn script(&self) -> &'static str {
        concat!(
            include_str!("../scripts/bounded.sh"),
            "carry() {\n",
            include_str!("../scripts/relay.sh"),
            "\n}\n",
            include_str!("haproxy.sh"),
            include_str!("names.sh")
        )
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
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

    /// Its memory cannot be changed where it has no runtime API, or a certificate is too long for that.
    fn way(&self, set: Option<&CertificateSet>) -> Way {
        let fits = |certificate: &HaproxyCertificate, set: &CertificateSet| {
            let bundle = set.of(certificate.file.algorithm.or_else(|| set.leaf().key_algorithm()));
            runtime_api::set(certificate.called(), &bundle.combined_pem(), self.bufsize).is_some()
        };
        let all_fit = |set| self.certificates.iter().all(|certificate| fits(certificate, set));
        if !self.sockets.is_empty() && set.is_none_or(all_fit) { Way::RuntimeApi } else { Way::Reload }
    }

    /// A command may be a restart.
    fn keeps_listening(&self) -> bool {
        match &self.reload {
            HaproxyReload::Master(_) => true,
            HaproxyReload::Command(command) => command == Self::SYSTEMD_RELOAD,
        }
    }

    fn has_test(&self) -> bool {
        true
    }

    fn names_files(&self) -> bool {
        true
    }

    fn actions(&self) -> Vec<String> {
        let test = format!("{} -c -f {}", self.binary, self.config);
        let mut actions = vec![self.test.clone().unwrap_or(test)];
        for certificate in &self.certificates {
            let told = self.sockets.iter();
            actions.extend(told.map(|socket| format!("set ssl cert {} @ {socket}", certificate.called())));
        }
        if self.sockets.is_empty() {
            actions.push(match &self.reload {
                HaproxyReload::Master(socket) => format!("reload @ {socket}"),
                HaproxyReload::Command(command) => command.clone(),
            });
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::FilePart;

    fn haproxy(sockets: &[&str], reload: HaproxyReload) -> Haproxy {
        let certificate = |path: &str| HaproxyCertificate {
            path: path.parse().unwrap(),
            file: FilePart::Combined.into(),
            alias: None,
        };
        Haproxy {
            sockets: sockets.iter().map(|socket| socket.parse().unwrap()).collect(),
            certificates: vec![certificate("/a.pem"), certificate("/b.pem")],
            crt_list: None,
            reload,
            binary: Haproxy::DEFAULT_BINARY.parse().unwrap(),
            config: Haproxy::DEFAULT_CONFIG.parse().unwrap(),
            test: None,
            bufsize: Haproxy::DEFAULT_BUFSIZE,
        }
    }

    fn by_master() -> HaproxyReload {
        HaproxyReload::Master("/run/master.sock".parse().unwrap())
    }

    fn by_command() -> HaproxyReload {
        HaproxyReload::Command("kick".to_owned())
    }

    #[test]
    fn each_process_is_told_each_certificate_and_one_without_a_socket_is_reloaded() {
        let test = "/usr/sbin/haproxy -c -f /etc/haproxy/haproxy.cfg";
        let told = haproxy(&["/run/1.sock", "/run/2.sock"], by_master()).actions();
        assert_eq!(
            told,
            [
                test,
                "set ssl cert /a.pem @ /run/1.sock",
                "set ssl cert /a.pem @ /run/2.sock",
                "set ssl cert /b.pem @ /run/1.sock",
                "set ssl cert /b.pem @ /run/2.sock",
            ]
        );
        assert_eq!(haproxy(&[], by_master()).actions(), [test, "reload @ /run/master.sock"]);
        assert_eq!(haproxy(&[], by_command()).actions(), [test, "kick"]);
        let own = Haproxy { test: Some("check".to_owned()), ..haproxy(&[], by_command()) };
        assert_eq!(own.actions(), ["check", "kick"]);
    }

    /// A host that goes back by itself reloads whatever the controller would have told the memory.
    #[test]
    fn a_script_reloads_by_the_command_where_there_is_no_socket_and_goes_back_by_either() {
        for (sockets, reload, expected) in [
            (&[][..], by_command(), ["kick", "", "kick"]),
            (&["/run/1.sock"], by_command(), ["kick", "", ""]),
            (&[], by_master(), ["", "/run/master.sock", ""]),
            (&["/run/1.sock"], by_master(), ["", "/run/master.sock", ""]),
        ] {
            let variables = haproxy(sockets, reload).variables();
            let value = |wanted: &str| {
                variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
            };
            let found = ["undo_command", "master_socket", "reload_command"].map(|name| value(name).unwrap());
            assert_eq!(found, expected);
            assert_eq!(value("certificates"), Some("/a.pem\n/b.pem"));
        }
    }
}
