//! What the hosts of an inventory serve, whatever that is: no playbook, no store, no login.

use futures_util::{StreamExt, stream};

use crate::clock::SteadyClock;
use crate::engine;
use crate::inventory::{Host, Inventory};
use crate::model::{DnsName, HostName};
use crate::ports::Clock;
use crate::status::{ScannedEndpoint, appraise};
use crate::tls::TlsProber;
use crate::verify::{ClientSettings, Endpoint, Via};

/// Where no port is named.
const PORT: u16 = 443;
/// An address is never sent as a name (RFC 6066, section 3): where this is asked for, no name is.
const NO_NAME: &str = "0.0.0.0";

/// What is to be scanned.
pub struct ScanRequest {
    /// The inventory.
    pub inventory: Inventory,
    /// Which of its hosts.
    pub hosts: Vec<HostName>,
    /// Which ports of each; 443 where none is named.
    pub ports: Vec<u16>,
    /// The name that is asked for; each host's own where none is named.
    pub server_name: Option<DnsName>,
    /// How handshakes are made, where listeners do not take everybody.
    pub client: Option<Box<ClientSettings>>,
    /// So many ports at a time.
    pub parallel: usize,
}

/// Scans every port of every host, at each of its addresses.
pub async fn scan(request: &ScanRequest, prober: &TlsProber, clock: &SteadyClock) -> Vec<ScannedEndpoint> {
    let ports = if request.ports.is_empty() { &[PORT] } else { request.ports.as_slice() };
    let hosts = request.hosts.iter().filter_map(|name| request.inventory.host(name.as_str()));
    let places: Vec<(&Host, u16)> =
        hosts.flat_map(|host| ports.iter().map(move |port| (host, *port))).collect();
    let one = |(host, port)| scan_port(host, port, request, prober, clock);
    stream::iter(places).map(one).buffered(request.parallel).map(stream::iter).flatten().collect().await
}

async fn scan_port(
    host: &Host,
    port: u16,
    request: &ScanRequest,
    prober: &TlsProber,
    clock: &SteadyClock,
) -> Vec<ScannedEndpoint> {
    let address = host.address();
    let own = || [host.name.as_str(), address.as_str()].into_iter().find_map(name_of);
    let asked = request.server_name.clone().or_else(own);
    let Some(server_name) = asked.clone().or_else(|| NO_NAME.parse().ok()) else { return Vec::new() };
    let client = request.client.clone();
    let endpoint =
        Endpoint { address, port, server_name, via: Via::Direct, key: None, starttls: None, client };
    let seen = engine::scan(endpoint, prober).await;
    let appraised = seen.iter().map(|(place, observed)| {
        let name = (asked.as_ref(), request.server_name.is_some());
        appraise((&host.name, &place.address, place.port), name, observed, clock.now())
    });
    appraised.collect()
}

/// A name that can be asked for; an address is none.
fn name_of(text: &str) -> Option<DnsName> {
    let address = text.parse::<std::net::IpAddr>().is_ok();
    if address { None } else { text.to_ascii_lowercase().parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_asked_for_and_an_address_cannot() {
        for (text, name) in [
            ("web01.example.com", Some("web01.example.com")),
            ("WEB01.Example.com", Some("web01.example.com")),
            // An alias of the inventory.
            ("web01", None),
            ("192.0.2.1", None),
            ("2001:db8::1", None),
            ("not a name", None),
            ("", None),
        ] {
            assert_eq!(name_of(text).as_ref().map(DnsName::as_str), name, "{text}");
        }
    }
}
