//! What clients notice while a host is switched.

use std::sync::Arc;
use std::time::Duration;

use crate::certificate::KeyAlgorithm;
use crate::engine::handshake::availability::{AvailabilityProbe, prepare};
use crate::engine::testing::{Transcript, World, certificates, not_tls, served, silent};
use crate::gate::Handshakes;
use crate::ports::Clock;
use crate::rollout::Measured;
use crate::verify::{Endpoint, HeldOutcome, Observation, StartTls};

fn new() -> Observation {
    certificates().shown(&certificates().new)
}

/// Watches a host for so long, by what its endpoint shows from the first handshake on.
async fn watched(world: &World, long: Duration) -> Vec<Measured> {
    let transcript = Transcript::new();
    let connection = Arc::new(transcript.host());
    let (prober, clock) = (Arc::new(world.handshakes.clone()), Arc::new(world.clock.clone()));
    let (_, mut prepared) = prepare(prober.as_ref(), &connection, world.host()).await;
    for one in &mut prepared {
        one.keep_idle(prober.as_ref(), &connection).await;
    }
    let rate = Arc::default();
    let start = |one| AvailabilityProbe::start(&prober, &connection, &clock, &rate, &[], one);
    let probes: Vec<AvailabilityProbe> = prepared.into_iter().map(start).collect();
    if long > Duration::ZERO {
        clock.sleep(long).await;
    }
    let mut measured = Vec::new();
    for probe in probes {
        measured.push(probe.finish().await);
    }
    measured
}

async fn one(world: &World, long: Duration) -> Measured {
    watched(world, long).await.remove(0)
}

#[tokio::test]
async fn handshakes_that_fail_are_counted_and_the_first_reason_is_kept() {
    // The first one made it ready.
    let shown = [new(), new(), not_tls(), silent(), new()];
    let measured = one(&World::nginx().showing(&shown), Duration::from_millis(210)).await;
    assert_eq!(measured.handshakes, Handshakes { tried: 6, failed: 2 });
    assert_eq!(measured.first_failure.as_deref(), Some("192.0.2.1:443: the connection was closed"));
    assert_eq!(measured.held, None);
}

#[tokio::test]
async fn a_client_is_served_whatever_the_certificate_is() {
    let all = certificates();
    let shown = [new(), all.shown(&all.old), served(&[&all.foreign])];
    let measured = one(&World::nginx().showing(&shown), Duration::from_millis(210)).await;
    assert_eq!(measured.handshakes, Handshakes { tried: 6, failed: 0 });
}

#[tokio::test]
async fn who_is_stopped_at_once_has_made_one_handshake() {
    let measured = one(&World::nginx().showing(&[new()]), Duration::ZERO).await;
    assert_eq!(measured.handshakes, Handshakes { tried: 1, failed: 0 });
}

#[tokio::test]
async fn a_place_that_does_not_answer_tls_is_not_watched() {
    for shown in [not_tls(), silent()] {
        assert!(watched(&World::nginx().showing(&[shown]), Duration::from_millis(210)).await.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_refuses_who_offers_http_is_watched_without_a_request() {
    let measured = one(&World::nginx().showing(&[not_tls(), new()]), Duration::from_millis(10)).await;
    assert_eq!((measured.handshakes.failed, measured.held), (0, None));
}

#[tokio::test]
async fn a_request_is_in_flight_only_where_the_endpoint_begins_with_tls() {
    let cut = HeldOutcome::Cut("connection reset by peer".to_owned());
    let mut world = World::nginx().showing(&[new()]);
    world.handshakes.hold(cut.clone());
    assert_eq!(one(&world, Duration::from_millis(10)).await.held, Some(cut));
    world.host_mut().services[0].endpoints[0].starttls = Some(StartTls::Smtp);
    assert_eq!(one(&world, Duration::from_millis(10)).await.held, None);
}

#[tokio::test]
async fn of_dual_certificates_one_is_watched_and_both_are_seen() {
    let mut world = World::nginx();
    let endpoint = world.service().endpoints[0].clone();
    let keyed = |key| Endpoint { key: Some(key), ..endpoint.clone() };
    world.host_mut().services[0].endpoints = vec![keyed(KeyAlgorithm::Ecdsa), keyed(KeyAlgorithm::Rsa)];
    world.handshakes.shows("192.0.2.1:443 (ecdsa)", &[new()]);
    world.handshakes.shows("192.0.2.1:443 (rsa)", &[new()]);
    assert_eq!(watched(&world, Duration::from_millis(210)).await.len(), 1);
    assert_eq!(world.handshakes.made("192.0.2.1:443 (rsa)"), 1);
}

#[tokio::test]
async fn idle_connections_are_kept_where_http_is_spoken_and_those_that_are_closed_are_counted() {
    let mut world = World::nginx().showing(&[new()]);
    let idle = async |world: &World| {
        let measured = one(world, Duration::from_millis(10)).await;
        (measured.idle, measured.closed)
    };
    assert_eq!(idle(&world).await, (0, 0));
    world.handshakes.hold(HeldOutcome::Answered);
    assert_eq!(idle(&world).await, (2, 0));
    world.handshakes.close_idle();
    assert_eq!(idle(&world).await, (2, 2));
    world.host_mut().services[0].endpoints[0].starttls = Some(StartTls::Smtp);
    assert_eq!(idle(&world).await, (0, 0));
}
