//! A host as a plan has it, for tests to change.

use std::time::Duration;

use crate::install::{InstallSpec, Layout};
use crate::inventory::Login;
use crate::plan::{HostPlan, PlannedService};
use crate::service::ServiceSpec;
use crate::verify::{Endpoint, Via};

/// `web01` with the certificate `a.test` for one service, which is proven at one address.
pub(crate) fn host(service: &str, spec: ServiceSpec) -> HostPlan {
    let endpoint = Endpoint {
        address: "192.0.2.1".to_owned(),
        port: 443,
        server_name: "a.test".parse().unwrap(),
        via: Via::Direct,
        key: None,
        starttls: None,
    };
    let login = Login {
        host: "web01".parse().unwrap(),
        address: "192.0.2.1".to_owned(),
        port: 22,
        user: None,
        key_file: None,
        become_user: None,
        known_hosts: Vec::new(),
    };
    let install = InstallSpec {
        layout: Layout::new("/etc/certwave".parse().unwrap(), "a.test".parse().unwrap()),
        keep: 3,
        owner: "root".to_owned(),
        group: "root".to_owned(),
        key_mode: 0o600,
        links: Vec::new(),
    };
    let services = vec![PlannedService { name: service.parse().unwrap(), spec, endpoints: vec![endpoint] }];
    let timeout = Duration::from_secs(20);
    HostPlan { login, install, services, timeout, dead_man: None, answers: 3, accepted: false }
}
