//! What stands behind a handshake that fails before the switch, and behind one that succeeds: what a listener wants of its
//! clients is found out by trying, since servers do not say it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::engine::handshake::prove::{HANDSHAKE, Shown, dial, observe};
use crate::ports::{BurstEnd, Connection, Prober};
use crate::verify::{ClientDemand, Endpoint, Observation, ProxyProtocol, Via};

/// What is offered by ALPN to see whether a listener wants that.
const HTTP: [&str; 2] = ["h2", "http/1.1"];

/// Where handshakes failed: what the listeners want, as far as that can be found out. Where they succeeded and are going to be
/// `dense`: whether they would still.
pub(crate) async fn explained<C: Connection, P: Prober>(
    (prober, connection): (&P, Option<&Arc<C>>),
    mut shown: Vec<Shown>,
    dense: bool,
) -> Vec<Shown> {
    let mut places = HashSet::new();
    let failed = shown.iter().filter(|(_, endpoint, observed)| {
        !matches!(observed, Observation::Served(_) | Observation::Refused { .. })
            && places.insert(place(endpoint))
    });
    // One listener is asked once, whatever the names that it was asked for.
    let demands = failed.map(|(_, endpoint, observed)| async {
        let demand = demand((prober, connection), endpoint, observed).await?;
        Some((place(endpoint), demand))
    });
    let demands: HashMap<Place, ClientDemand> = join_all(demands).await.into_iter().flatten().collect();
    for (_, endpoint, observed) in &mut shown {
        let is_failed = !matches!(observed, Observation::Served(_) | Observation::Refused { .. });
        if let Some(demand) = demands.get(&place(endpoint)).filter(|_| is_failed) {
            *observed = refused(*demand, observed);
        }
    }
    if dense {
        limited((prober, connection), &mut shown).await;
    }
    shown
}

/// A listener.
type Place = (Via, String, u16);

fn place(endpoint: &Endpoint) -> Place {
    (endpoint.via, endpoint.address.clone(), endpoint.port)
}

fn refused(demand: ClientDemand, observed: &Observation) -> Observation {
    Observation::Refused { demand, reason: observed.failure().unwrap_or_default() }
}

/// What a listener wants that brought no handshake about. One that does not take the connection is no listener.
async fn demand<C: Connection, P: Prober>(
    (prober, connection): (&P, Option<&Arc<C>>),
    endpoint: &Endpoint,
    observed: &Observation,
) -> Option<ClientDemand> {
    match observed {
        Observation::NotTls(_) => {}
        // It may wait for a header that does not come, or be away.
        Observation::Unreachable(_) if dial(prober, connection, endpoint).await.is_ok() => {}
        Observation::Served(_) | Observation::Refused { .. } | Observation::Unreachable(_) => return None,
    }
    // It may have been an accident.
    if matches!(observe(prober, connection, endpoint).await, Observation::Served(_)) {
        return None;
    }
    // What answers by TLS has got what it wants before TLS, if not all that it wants.
    let answers = |other: Endpoint| async move {
        let observed = observe(prober, connection, &other).await;
        matches!(observed, Observation::Served(_) | Observation::Refused { .. })
    };
    let tries = tries(endpoint).into_iter().map(|(demand, other)| {
        let answered = answers(other);
        async move { answered.await.then_some(demand) }
    });
    join_all(tries).await.into_iter().flatten().next()
}

/// Other ways to come, each with what a listener wants that takes it; the likelier first, where it takes several.
fn tries(endpoint: &Endpoint) -> Vec<(ClientDemand, Endpoint)> {
    let with = |header: Option<ProxyProtocol>| endpoint.with_client(|client| client.proxy_protocol = header);
    let mut tries = Vec::new();
    if endpoint.proxy_protocol().is_some() {
        tries.push((ClientDemand::NoProxyProtocol, with(None)));
    }
    if endpoint.alpn().is_empty() && endpoint.starttls.is_none() {
        let offering = endpoint.with_client(|client| client.alpn = HTTP.map(str::to_owned).to_vec());
        tries.push((ClientDemand::AlpnHttp, offering));
    }
    for version in [ProxyProtocol::V2, ProxyProtocol::V1] {
        if endpoint.proxy_protocol() != Some(version) {
            tries.push((ClientDemand::header(version), with(Some(version))));
        }
    }
    tries
}

/// Where as many handshakes as a switch makes are too many. One listener counts them all, whatever the name asked for.
async fn limited<C: Connection, P: Prober>((prober, connection): (&P, Option<&Arc<C>>), shown: &mut [Shown]) {
    let mut places = HashSet::new();
    let first: Vec<&Endpoint> = shown
        .iter()
        .filter(|(_, endpoint, observed)| {
            let served = matches!(observed, Observation::Served(_)) && endpoint.rate().is_none();
            served && places.insert(place(endpoint))
        })
        .map(|(_, endpoint, _)| endpoint)
        .collect();
    // One after the other: a host is switched with all its listeners, and none gets the fewer handshakes for that.
    let mut ended = Vec::new();
    for endpoint in first {
        let burst = prober.burst(|| dial(prober, connection, endpoint), endpoint, HANDSHAKE).await;
        let Some(BurstEnd { made, failed }) = burst else { continue };
        // A look offers HTTP, and a proof does not: where not one of them was made, that may be what is missing.
        let missing = match made {
            0 => demand((prober, connection), endpoint, &failed).await,
            _ => None,
        };
        let observed = match missing {
            Some(missing) => refused(missing, &failed),
            None => Observation::Refused {
                demand: ClientDemand::Rate,
                reason: format!(
                    "after {made} more handshakes one after the other it took no other: {}",
                    failed.failure().unwrap_or_default()
                ),
            },
        };
        ended.push((place(endpoint), observed));
    }
    for (limited, seen) in ended {
        for (_, _, observed) in shown.iter_mut().filter(|(_, endpoint, _)| place(endpoint) == limited) {
            *observed = seen.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::endpoint;

    #[test]
    fn what_a_listener_wants_is_found_by_the_settings_that_are_not_given() {
        use ClientDemand::{AlpnHttp, NoProxyProtocol, ProxyProtocolV1, ProxyProtocolV2};
        let demands = |endpoint: &Endpoint| -> Vec<ClientDemand> {
            tries(endpoint).into_iter().map(|(demand, _)| demand).collect()
        };
        let plain = endpoint();
        assert_eq!(demands(&plain), [AlpnHttp, ProxyProtocolV2, ProxyProtocolV1]);
        let v1 = plain.with_client(|client| client.proxy_protocol = Some(ProxyProtocol::V1));
        assert_eq!(demands(&v1), [NoProxyProtocol, AlpnHttp, ProxyProtocolV2]);
        let offering = plain.with_client(|client| client.alpn = vec!["h2".to_owned()]);
        assert_eq!(demands(&offering), [ProxyProtocolV2, ProxyProtocolV1]);
        // TLS that is asked for in the clear has said already what it is for.
        let smtp = Endpoint { starttls: Some(crate::verify::StartTls::Smtp), ..plain.clone() };
        assert_eq!(demands(&smtp), [ProxyProtocolV2, ProxyProtocolV1]);
        for (demand, other) in tries(&v1) {
            let (header, alpn) = (other.proxy_protocol(), other.alpn());
            let expected = match demand {
                NoProxyProtocol => (None, 0),
                AlpnHttp => (Some(ProxyProtocol::V1), 2),
                _ => (Some(ProxyProtocol::V2), 0),
            };
            assert_eq!((header, alpn.len()), expected, "{demand:?}");
        }
    }
}
