//! Hosts of a lab that run HAProxy or Envoy instead of nginx.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::lab::LabError;
use crate::lab::authority::Authority;
use crate::lab::envoy::{EnvoyOptions, EnvoyServer};
use crate::lab::haproxy::{HaproxyOptions, HaproxyServer};
use crate::lab::process::{Process, folder, write, write_private};
use crate::lab::sshd::{Sshd, UserKey};

/// One such host.
#[derive(Debug)]
pub struct FrontHost {
    /// Its name in the inventory.
    pub name: String,
    /// Its sshd.
    pub sshd: Sshd,
    /// What serves.
    pub server: FrontServer,
    /// The folder that stands for its `/`.
    pub root: PathBuf,
}

/// What serves on it.
#[derive(Debug)]
pub enum FrontServer {
    /// HAProxy.
    Haproxy(HaproxyServer),
    /// Envoy.
    Envoy(EnvoyServer),
}

/// What a host is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    Haproxy,
    Envoy,
}

impl FrontServer {
    /// Where it serves TLS.
    pub fn https(&self) -> SocketAddr {
        match self {
            FrontServer::Haproxy(haproxy) => haproxy.https,
            FrontServer::Envoy(envoy) => envoy.https,
        }
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        match self {
            FrontServer::Haproxy(haproxy) => &haproxy.process,
            FrontServer::Envoy(envoy) => &envoy.process,
        }
    }

    pub(super) fn into_process(self) -> Process {
        match self {
            FrontServer::Haproxy(haproxy) => haproxy.process,
            FrontServer::Envoy(envoy) => envoy.process,
        }
    }
}

impl FrontHost {
    pub(super) fn start(
        front: Front,
        number: usize,
        directory: &Path,
        address: IpAddr,
        user: &UserKey,
        (authority, domain): (&Authority, &str),
    ) -> Result<Self, LabError> {
        let kind = match front {
            Front::Haproxy => "lb",
            Front::Envoy => "edge",
        };
        let name = format!("{kind}{:02}", number + 1);
        let root = directory.join("hosts").join(&name);
        let ssl = root.join("etc/ssl");
        folder(&ssl)?;
        // Envoy watches the folder of the link, so that has to be there before it starts.
        let live = root.join("etc/certwave/live");
        folder(&live)?;
        let (certificate, key) = authority.issue(&[domain], -60, 30)?;
        write(&ssl.join("api.crt"), &certificate)?;
        write_private(&ssl.join("api.key"), &key)?;
        let sshd = Sshd::start(&root.join("sshd"), address, user, "")?;
        let server = match front {
            Front::Haproxy => {
                let pem = ssl.join("api.pem");
                write_private(&pem, [certificate.as_slice(), key.as_slice()].concat())?;
                let certificates = format!("crt {}", pem.display());
                let options = HaproxyOptions { certificates, address, global: String::new() };
                FrontServer::Haproxy(HaproxyServer::start(&root.join("haproxy"), &options)?)
            }
            Front::Envoy => {
                let sds = root.join("envoy/sds.yaml");
                folder(&root.join("envoy"))?;
                write(&sds, sds_text("server_cert", &ssl.join("api.crt"), &ssl.join("api.key"), &live))?;
                let options = EnvoyOptions { secrets: vec![("server_cert".to_owned(), sds)], address };
                FrontServer::Envoy(EnvoyServer::start(&root.join("envoy"), &options)?)
            }
        };
        Ok(Self { name, sshd, server, root })
    }

    pub(super) fn inventory_text(&self) -> String {
        let more = match &self.server {
            FrontServer::Haproxy(_) => String::new(),
            FrontServer::Envoy(envoy) => format!(", admin: \"{}\"", envoy.admin),
        };
        let ssh = self.sshd.address;
        format!(
            "        {}: {{ansible_host: {}, ansible_port: {}, https_port: {}, root: {}{more}}}\n",
            self.name,
            ssh.ip(),
            ssh.port(),
            self.server.https().port(),
            self.root.display()
        )
    }

    /// Makes the next rollout fail on it: HAProxy no longer has the certificate by the name that the playbook
    /// gives, Envoy can no longer read keys from the live folder.
    pub(super) fn break_it(&self) -> Result<(), LabError> {
        match &self.server {
            FrontServer::Haproxy(haproxy) => {
                let text = std::fs::read_to_string(&haproxy.config)
                    .map_err(LabError::io("read the host's haproxy.cfg"))?;
                write(&haproxy.config, format!("{text}\nthis_keyword_does_not_exist\n"))
            }
            FrontServer::Envoy(_) => {
                let sds = self.root.join("envoy/sds.yaml");
                let text = std::fs::read_to_string(&sds).map_err(LabError::io("read the host's sds.yaml"))?;
                let without = text.lines().filter(|line| !line.contains("watched_directory"));
                write(&sds, without.collect::<Vec<_>>().join("\n") + "\n")
            }
        }
    }
}

/// An SDS file as an operator would write it: the files where they always were, and the folder to watch.
fn sds_text(secret: &str, chain: &Path, key: &Path, watched: &Path) -> String {
    format!(
        "resources:\n- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  \
         name: {secret}\n  tls_certificate:\n    certificate_chain: {{filename: \"{}\"}}\n    \
         private_key: {{filename: \"{}\"}}\n    watched_directory: {{path: \"{}\"}}\n",
        chain.display(),
        key.display(),
        watched.display()
    )
}
