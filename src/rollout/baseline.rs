//! What a host's endpoints showed before it was switched, as far as its proof depends on it.

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
    /// Whether an endpoint answered nobody.
    pub fn was_silent(&self, service: &ServiceName, endpoint: &Endpoint) -> bool {
        self.silent.iter().any(|one| one.service == *service && one.endpoint == *endpoint)
    }

    /// Whether the rollout does not switch what the host answers at this place for this name.
    pub fn is_elsewhere(&self, service: &ServiceName, endpoint: &Endpoint) -> bool {
        let is_there = |one: &&Elsewhere| {
            one.service == *service && one.address == endpoint.address && one.port == endpoint.port
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
        assert!(baseline.is_elsewhere(&service, &named("www.a.test")));
        assert!(!baseline.is_elsewhere(&service, &named("a.test")));
        assert!(!baseline.is_elsewhere(&"haproxy".parse().unwrap(), &named("www.a.test")));
        let port = Endpoint { port: 1, ..named("www.a.test") };
        let address = Endpoint { address: "192.0.2.2".to_owned(), ..named("www.a.test") };
        assert!(!baseline.is_elsewhere(&service, &port) && !baseline.is_elsewhere(&service, &address));
    }
}
