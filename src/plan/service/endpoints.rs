//! Where a service of a playbook is seen.

use std::net::IpAddr;

use crate::certificate::KeyAlgorithm;
use crate::model::{DnsName, Port};
use crate::plan::resolve::HostResolver;
use crate::playbook::VerifySettings;
use crate::verify::{Endpoint, Via};
use crate::yaml::Problem;

const PORT: u16 = 443;

impl HostResolver<'_> {
    /// Each address × port × name × key.
    pub(super) fn endpoints(&mut self, own: &VerifySettings, address: &str) -> Vec<Endpoint> {
        let general = &self.playbook.verify;
        let mut addresses = vec![address.to_owned()];
        for extra in self.values::<String>(own.addresses.as_ref().or(general.addresses.as_ref())) {
            if !addresses.contains(&extra) {
                addresses.push(extra);
            }
        }
        if let Some(wrong) = addresses.iter().find(|one| !is_dialable(one)) {
            let span = own.addresses.as_ref().or(general.addresses.as_ref()).map(|all| all.0[0].span);
            let problem = format!("`{wrong}` is no address or name to dial");
            self.problems.push(match span {
                Some(span) => Problem::at(span, problem),
                None => Problem::general(problem),
            });
        }
        let ports = match own.port.as_ref().or(general.port.as_ref()) {
            Some(ports) => self.values::<Port>(Some(ports)).into_iter().map(Port::number).collect(),
            None => vec![PORT],
        };
        let names = match own.server_name.as_ref().or(general.server_name.as_ref()) {
            Some(names) => self.values::<DnsName>(Some(names)),
            None => probe_names(&self.playbook.certificate.domains).into_iter().take(1).collect(),
        };
        let via: Via = own.via.or(general.via).unwrap_or_default();
        let keys: Vec<Option<KeyAlgorithm>> = match self.playbook.certificate.keys.as_slice() {
            [_] => vec![None],
            several => several.iter().map(|key| Some(key.algorithm())).collect(),
        };
        let client = self.client(own, via);
        let mut endpoints = Vec::new();
        for address in &addresses {
            for port in &ports {
                for server_name in &names {
                    let at = |key: &Option<KeyAlgorithm>| Endpoint {
                        address: address.clone(),
                        port: *port,
                        server_name: server_name.clone(),
                        via,
                        key: *key,
                        starttls: own.starttls.or(general.starttls),
                        client: client.clone(),
                    };
                    endpoints.extend(keys.iter().map(at));
                }
            }
        }
        endpoints
    }

    /// The certificate's other names, which a host may serve or not: none where the playbook says which names count.
    pub(super) fn other_names(&self, own: &VerifySettings) -> Vec<DnsName> {
        match own.server_name.as_ref().or(self.playbook.verify.server_name.as_ref()) {
            Some(_) => Vec::new(),
            None => probe_names(&self.playbook.certificate.domains).into_iter().skip(1).collect(),
        }
    }
}

fn is_dialable(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok()
        || !address.is_empty() && address.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

/// The names to ask for: those without a star first, then of each wildcard a name that it stands for.
fn probe_names(domains: &[DnsName]) -> Vec<DnsName> {
    let (stars, plain): (Vec<_>, Vec<_>) =
        domains.iter().partition(|domain| domain.as_str().starts_with('*'));
    let below = stars.into_iter().filter_map(DnsName::below_star);
    let mut names: Vec<DnsName> = Vec::new();
    for name in plain.into_iter().cloned().chain(below) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
