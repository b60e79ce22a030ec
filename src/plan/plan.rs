//! What a rollout will do, host by host.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::install::InstallSpec;
use crate::inventory::Login;
use crate::model::ServiceName;
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
}
