//! What a host's endpoints showed before it was switched, as far as its proof depends on it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::{DnsName, ServiceName};
use crate::verify::Endpoint;

/// What a host's endpoints showed before it was switched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Endpoints that answered nobody, as far as they were dialled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<Silent>,
    /// Names of the certificate that the host answers with something else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
}

impl Baseline {
    /// Whether an endpoint answered nobody, however it was dialled.
    pub fn was_silent(&self, service: &ServiceName, endpoint: &Endpoint) -> bool {
        let place =
            |one: &Endpoint| (one.address.clone(), one.port, one.server_name.clone(), one.via, one.key);
        self.silent.iter().any(|one| one.service == *service && place(&one.endpoint) == place(endpoint))
    }

    /// Whether the rollout does not switch what the host answers at this place for this name. `planned` is the address that
    /// stands in the plan: a name may lead to other addresses from one time to the next, so that all of them are one place.
    pub fn is_elsewhere(&self, service: &ServiceName, planned: &str, endpoint: &Endpoint) -> bool {
        let by_name = planned.parse::<IpAddr>().is_err();
        let is_there = |one: &&Elsewhere| {
            let same = one.address == endpoint.address || by_name && one.address.parse::<IpAddr>().is_ok();
            one.service == *service && one.port == endpoint.port && same
        };
        self.elsewhere.iter().filter(is_there).any(|one| one.names.contains(&endpoint.server_name))
    }
}

/// An endpoint that answered nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silent {
    /// Of which service.
    pub service: ServiceName,
    /// Where.
    pub endpoint: Endpoint,
}

/// Names of the certificate that one place answers with something else than the certificate that is switched, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// By which service.
    pub service: ServiceName,
    /// The address that was dialled.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Which.
    pub names: Vec<DnsName>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Via;

    #[test]
    fn a_name_is_elsewhere_at_one_place_of_one_service() {
        let service: ServiceName = "nginx".parse().unwrap();
        let named = |name: &str| Endpoint {
            address: "192.0.2.1".to_owned(),
            port: 443,
            server_name: name.parse().unwrap(),
            via: Via::Direct,
            key: None,
            starttls: None,
            client: None,
        };
        let names = vec!["www.a.test".parse().unwrap()];
        let elsewhere =
            Elsewhere { service: service.clone(), address: "192.0.2.1".to_owned(), port: 443, names };
        let baseline = Baseline { silent: Vec::new(), elsewhere: vec![elsewhere] };
        let here = "192.0.2.1";
        assert!(baseline.is_elsewhere(&service, here, &named("www.a.test")));
        assert!(!baseline.is_elsewhere(&service, here, &named("a.test")));
        assert!(!baseline.is_elsewhere(&"haproxy".parse().unwrap(), here, &named("www.a.test")));
        let port = Endpoint { port: 1, ..named("www.a.test") };
        let address = Endpoint { address: "192.0.2.2".to_owned(), ..named("www.a.test") };
        assert!(
            !baseline.is_elsewhere(&service, here, &port) && !baseline.is_elsewhere(&service, here, &address)
        );
        // A name leads elsewhere from one time to the next, or was not looked up at all.
        assert!(baseline.is_elsewhere(&service, "web.a.test", &address));
        let unresolved = Endpoint { address: "web.a.test".to_owned(), ..address };
        assert!(baseline.is_elsewhere(&service, "web.a.test", &unresolved));
    }
}
