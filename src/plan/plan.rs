//! What a rollout will do, host by host.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::install::InstallSpec;
use crate::inventory::Login;
use crate::model::{DnsName, ServiceName};
use crate::plan::{CertificateRequest, PerHost, PlannedIssuer, Schedule};
use crate::service::ServiceSpec;
use crate::verify::Endpoint;

/// Immutable, with no choice left in it but the version, which is known once it is issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is rolled out.
    pub certificate: CertificateRequest,
    /// Who issues it, tried in order; none in a plan of an earlier certwave.
    #[serde(default)]
    pub issuers: Vec<PlannedIssuer>,
    /// Who goes when.
    pub schedule: Schedule,
    /// How it is done, for each host of the schedule.
    pub hosts: PerHost<HostPlan>,
    /// Roots trusted besides the system's.
    pub ca_files: Vec<PathBuf>,
}

/// How it is done on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// How it is reached.
    pub login: Login,
    /// How the files lie.
    pub install: InstallSpec,
    /// What is tested and reloaded, in this order.
    pub services: Vec<PlannedService>,
    /// How long the host may take to serve the new certificate.
    pub timeout: Duration,
    /// How long the dead-man switch waits for a confirmation; none where there is no switch.
    #[serde(default)]
    pub dead_man: Option<Duration>,
    /// So many answers in a row prove an endpoint.
    pub answers: u32,
    /// So many handshakes may fail while it is switched; none in a plan of an earlier certwave, which counted them only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_failed: Option<u32>,
    /// A person named it: its server may be down, or serve something else, before the switch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

/// One service on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedService {
    /// As people see it; unique on the host.
    pub name: ServiceName,
    /// How it is tested and reloaded.
    pub spec: ServiceSpec,
    /// Where it is proven; at least one.
    pub endpoints: Vec<Endpoint>,
    /// The certificate's other names, where the playbook does not say which ones count: of these, each is proven that the
    /// host answers with what is switched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<DnsName>,
}

impl PlannedService {
    /// A place, for each name that may count there.
    pub fn for_every_name<'a>(&'a self, place: &'a Endpoint) -> impl Iterator<Item = Endpoint> + 'a {
        let other = |name: &DnsName| Endpoint { server_name: name.clone(), ..place.clone() };
        std::iter::once(place.clone()).chain(self.other_names.iter().map(other))
    }

    /// All names that it may be asked for.
    pub fn names(&self) -> impl Iterator<Item = &DnsName> {
        self.endpoints.iter().map(|endpoint| &endpoint.server_name).chain(&self.other_names)
    }
}
