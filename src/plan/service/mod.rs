//! A playbook's services on one host: settings without a choice left in them.

mod client;
mod command;
mod endpoints;
mod envoy;
mod haproxy;
mod nginx;

use crate::certificate::KeyAlgorithm;
use crate::install::{FileName, FilePart, InstallSpec};
use crate::plan::PlannedService;
use crate::plan::resolve::HostResolver;
use crate::playbook::{Service, ServiceKind};
use crate::service::ServiceSpec;

impl HostResolver<'_> {
    /// Each service with its name, unique on the host. A certificate that HAProxy names becomes a link of its own.
    pub(super) fn services(
        &mut self,
        services: &[&Service],
        address: Option<&str>,
        install: &mut InstallSpec,
    ) -> Vec<PlannedService> {
        let mut planned: Vec<PlannedService> = Vec::new();
        for service in services {
            let before = self.problems.len();
            let Some(spec) = self.service(&service.kind, install) else { continue };
            let endpoints = address.map(|address| self.endpoints(&service.verify, address));
            if self.problems.len() > before {
                continue;
            }
            let kind = spec.kind();
            let same = planned.iter().filter(|one| one.spec.kind() == kind).count();
            let name = if same == 0 { kind.to_owned() } else { format!("{kind}-{}", same + 1) };
            let (Ok(name), Some(endpoints)) = (name.parse(), endpoints) else { continue };
            let other_names = self.other_names(&service.verify);
            planned.push(PlannedService { name, spec, endpoints, other_names });
        }
        planned
    }

    /// Each server is resolved in a file of its own.
    fn service(&mut self, kind: &ServiceKind, install: &mut InstallSpec) -> Option<ServiceSpec> {
        match kind {
            ServiceKind::Nginx(settings) => self.nginx(settings).map(ServiceSpec::Nginx),
            ServiceKind::Haproxy(settings) => self.haproxy(settings, install).map(ServiceSpec::Haproxy),
            ServiceKind::Envoy(settings) => self.envoy(settings, install).map(ServiceSpec::Envoy),
            ServiceKind::Command(settings) => self.command(settings).map(ServiceSpec::Command),
        }
    }

    /// The files of one kind: one for each key.
    fn files(&self, part: FilePart) -> Vec<(KeyAlgorithm, FileName)> {
        let keys = self.playbook.certificate.keys.iter().map(|key| key.algorithm());
        keys.enumerate()
            .map(|(at, key)| (key, FileName { part, algorithm: (at > 0).then_some(key) }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::first_host;

    /// What a server of a playbook is in the plan.
    pub(super) fn planned(server: &str) -> ServiceSpec {
        first_host(&format!("services: [{{hosts: all, {server}}}]")).services[0].spec.clone()
    }

    #[test]
    fn a_server_has_one_word_in_the_playbook_and_in_the_plan() {
        let servers = [
            "nginx:",
            "haproxy: {reload: master}",
            "envoy: {sds: /s.yaml, secret: a}",
            "command: {reload: x}",
        ];
        for server in servers {
            assert!(server.starts_with(&format!("{}:", planned(server).kind())), "{server}");
        }
    }
}
