//! A host as a plan has it, and what playbooks come to, for tests to change.

use std::time::Duration;

use crate::install::{InstallSpec, Layout};
use crate::inventory::{FileKind, Inventory, InventoryFile, Login};
use crate::model::HostName;
use crate::plan::{HostPlan, PlannedService, Resolved, resolve};
use crate::service::ServiceSpec;
use crate::verify::{Endpoint, Via};
use crate::yaml::{Problems, Sources, parse};

/// Four hosts. The first is the canary, and the last has an address and no name.
const INVENTORY: &str = "\
all:
  vars: {folder: /srv}
  children:
    canary: {hosts: {web01: {number: 1}}}
    rest: {hosts: {web02: {number: 2}, web03: {number: 3}, web04: {ansible_host: 192.0.2.4, number: 4}}}
";
/// What a playbook says where a test does not.
const PLAINEST: [(&str, &str); 4] = [
    ("certificate", "{domains: [a.test]}"),
    ("issuers", "[{files: {certificate: a.pem, key: a.key}}]"),
    ("services", "[{hosts: all, nginx: {}}]"),
    ("waves", "[{name: all, hosts: all}]"),
];

/// What a playbook with these sections, each a line, comes to; or what is wrong with it.
pub(crate) fn resolved(sections: &str) -> Result<Resolved, Vec<String>> {
    resolved_within(sections, None)
}

/// The same on some hosts alone.
pub(crate) fn resolved_within(sections: &str, limit: Option<&[&str]>) -> Result<Resolved, Vec<String>> {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let file = InventoryFile { source: sources.add("hosts.yaml", INVENTORY), kind: FileKind::Inventory };
    let inventory = Inventory::parse(&sources, &[file], &mut problems).unwrap();
    let given = |name: &str| sections.lines().any(|line| line.starts_with(&format!("{name}:")));
    let others = PLAINEST.iter().filter(|(name, _)| !given(name));
    let text: String = others.map(|(name, value)| format!("{name}: {value}\n")).collect();
    let id = sources.add("playbook.yaml", format!("{text}{sections}\n"));
    let node = parse(&sources, id, &mut problems).unwrap();
    let limit: Option<Vec<HostName>> =
        limit.map(|limit| limit.iter().map(|host| host.parse().unwrap()).collect());
    let resolved = crate::playbook::parse(&node, &mut problems)
        .and_then(|playbook| resolve(&playbook, &inventory, limit.as_deref(), &mut problems));
    let told = || problems.sorted().iter().map(|problem| problem.message.clone()).collect();
    problems.none_or(resolved).ok_or_else(told)
}

/// The first host of what a playbook comes to.
pub(crate) fn first_host(sections: &str) -> HostPlan {
    resolved(sections).unwrap().plan.hosts.first().unwrap().clone()
}

/// Port 443 of one address, asked for `a.test`.
pub(crate) fn endpoint() -> Endpoint {
    Endpoint {
        address: "192.0.2.1".to_owned(),
        port: 443,
        server_name: "a.test".parse().unwrap(),
        via: Via::Direct,
        key: None,
        starttls: None,
        client: None,
    }
}

/// `web01` with the certificate `a.test` for one service, which is proven at one address.
pub(crate) fn host(service: &str, spec: ServiceSpec) -> HostPlan {
    let endpoint = endpoint();
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
        owner: None,
        group: None,
        key_mode: None,
        boot_unit: true,
        links: Vec::new(),
        copies: Vec::new(),
    };
    let services = vec![PlannedService {
        name: service.parse().unwrap(),
        spec,
        endpoints: vec![endpoint],
        other_names: Vec::new(),
    }];
    let timeout = Duration::from_secs(20);
    HostPlan {
        login,
        install,
        services,
        timeout,
        dead_man: None,
        answers: 3,
        at_most_failed: Some(0),
        accepted: false,
    }
}
