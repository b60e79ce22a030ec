//! Envoy: its settings, and its script.

pub mod admin;
mod admin_address;
mod sds;

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateSet;
use crate::model::HostPath;
use crate::service::{Service, Way};

pub use admin_address::AdminAddress;

/// An Envoy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envoy {
    /// The folder to watch: the one that holds the `live` link.
    pub watched: HostPath,
    /// Its secrets: one, or two of dual certificates.
    pub secrets: Vec<EnvoySecret>,
    /// Its admin interface.
    pub admin: Option<AdminAddress>,
}

/// A secret, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvoySecret {
    /// The file that its `sds_config` names. One for each: Envoy refuses a file with more than one secret.
    pub sds: HostPath,
    /// Its name in the SDS file and in Envoy's configuration.
    pub name: String,
    /// Paths that lead to the certificate and its chain; the first is what certwave writes.
    pub chain: Vec<HostPath>,
    /// Paths that lead to the private key; the first is what certwave writes.
    pub key: Vec<HostPath>,
}

impl Service for Envoy {
    fn kind(&self) -> &'static str {
        "envoy"
    }

    fn script(&self) -> &'static str {
        include_str!("envoy.sh")
    }

    /// The second secret's are empty where there is none.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let names = [("sds", "sds_text"), ("second_sds", "second_sds_text")];
        let variables = names.iter().enumerate().flat_map(|(at, (sds, sds_text))| {
            let secret = self.secrets.get(at);
            let path = secret.map(|secret| secret.sds.to_string()).unwrap_or_default();
            let text = secret.map(|secret| self.sds_text(secret)).unwrap_or_default();
            [(*sds, path), (*sds_text, text)]
        });
        variables.collect()
    }

    fn has_test(&self) -> bool {
        false
    }

    /// None: it takes the certificate when the link is switched.
    fn actions(&self) -> Vec<String> {
        Vec::new()
    }

    fn way(&self, _: Option<&CertificateSet>) -> Way {
        Way::Sds
    }

    fn follows_the_link(&self) -> bool {
        true
    }
}
