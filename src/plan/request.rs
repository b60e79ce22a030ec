//! What is issued, and by whom: as the playbook says, with every pattern and template filled in.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use crate::certificate::KeyType;
use crate::inventory::Login;
use crate::model::{CertificateName, DnsName, HostPath};
use crate::playbook::Renew;

/// The certificate that is rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateRequest {
    /// What it is called in the store and on hosts.
    pub name: CertificateName,
    /// The names that it covers; none in a plan of an earlier certwave.
    pub domains: Vec<DnsName>,
    /// The kinds of keys that are made for it: one, or two of different algorithms (dual certificates).
    pub keys: Vec<KeyType>,
    /// When it is due.
    pub renew: Renew,
}

/// Earlier versions of certwave kept the name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Name(CertificateName),
    Request { name: CertificateName, domains: Vec<DnsName>, keys: Vec<KeyType>, renew: Renew },
}

impl<'de> Deserialize<'de> for CertificateRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Name(name) => Self { name, domains: Vec::new(), keys: Vec::new(), renew: Renew::Auto },
            Stored::Request { name, domains, keys, renew } => Self { name, domains, keys, renew },
        })
    }
}

/// Who is asked for the certificate. Issuers are tried in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedIssuer {
    /// An ACME server (RFC 8555).
    Acme(PlannedAcme),
    /// Files that come from elsewhere.
    Files(PlannedFiles),
}

/// An ACME server, and how to prove to it that the domains are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAcme {
    /// What the playbook calls it: a known name, or the URL.
    pub name: String,
    /// The URL of its directory (RFC 8555, section 7.1.1).
    pub directory: String,
    /// `mailto:` URLs of the account; may be empty.
    pub contact: Vec<String>,
    /// The server's profile to order, if any (draft-ietf-acme-profiles).
    pub profile: Option<String>,
    /// PEM certificates trusted for the server besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The challenge to answer.
    pub challenge: PlannedChallenge,
}

/// How the HTTP-01 challenge is answered (RFC 8555, section 8.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedChallenge {
    /// By certwave itself, listening at this address. The domains must lead here, from port 80.
    Listen(SocketAddr),
    /// By the hosts' own web servers: the token is pushed to them over SSH.
    Push(Vec<ChallengeHost>),
}

/// A host that serves a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeHost {
    /// How it is reached.
    pub login: Login,
    /// The folder that its port 80 serves.
    pub webroot: HostPath,
}

/// A certificate and its key in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFiles {
    /// The chain in PEM, leaf first.
    pub certificate: PathBuf,
    /// The private key in PEM, not encrypted.
    pub key: PathBuf,
}

impl PlannedIssuer {
    /// The word for it on screen.
    pub fn name(&self) -> String {
        match self {
            PlannedIssuer::Acme(acme) => acme.name.clone(),
            PlannedIssuer::Files(files) => files.certificate.display().to_string(),
        }
    }
}
