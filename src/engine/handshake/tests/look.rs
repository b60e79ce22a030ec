//! What is made of a handshake before the switch, and of many.

use std::sync::Arc;

use crate::engine::handshake::look::explained;
use crate::engine::handshake::prove::Shown;
use crate::engine::testing::{Host, Transcript, World, certificates, not_tls, silent};
use crate::verify::{ClientDemand, Observation, StartTls};

fn new() -> Observation {
    certificates().shown(&certificates().new)
}

/// What is made of what the service's first endpoint showed.
async fn made_of(world: &World, observed: Observation, dense: bool) -> Observation {
    let service = world.service();
    // The same again, unless it was an accident.
    world.handshakes.shows_still(&service.endpoints[0], &observed);
    let shown: Vec<Shown> = vec![(service.name.clone(), service.endpoints[0].clone(), observed)];
    let connection: Option<&Arc<Host>> = None;
    explained((&world.handshakes, connection), shown, dense).await.remove(0).2
}

async fn demand(world: &World, observed: Observation) -> Option<ClientDemand> {
    match made_of(world, observed, true).await {
        Observation::Refused { demand, .. } => Some(demand),
        _ => None,
    }
}

#[tokio::test]
async fn who_hangs_up_is_tried_in_other_ways() {
    let refused = |demand| Observation::Refused { demand, reason: "so".to_owned() };
    let by = async |way: &str, shows: Observation| {
        let world = World::nginx();
        world.handshakes.shows(&format!("{}{way}", World::PLACE), &[shows]);
        demand(&world, not_tls()).await
    };
    assert_eq!(by(" proxy v2", new()).await, Some(ClientDemand::ProxyProtocolV2));
    assert_eq!(by(" proxy v1", new()).await, Some(ClientDemand::ProxyProtocolV1));
    assert_eq!(by(" alpn h2 alpn http/1.1", new()).await, Some(ClientDemand::AlpnHttp));
    // One thing after the other: what it wants besides is said once it gets that.
    let more = refused(ClientDemand::ClientCertificate);
    assert_eq!(by(" proxy v2", more).await, Some(ClientDemand::ProxyProtocolV2));
    // Whatever is tried, it hangs up, or answers nobody: that is all that is known.
    assert_eq!(by(" proxy v2", not_tls()).await, None);
    assert_eq!(by(" proxy v2", silent()).await, None);
}

#[tokio::test]
async fn one_handshake_that_fails_by_accident_demands_nothing() {
    let world = World::nginx().showing(&[new()]);
    world.handshakes.shows(&format!("{} alpn h2 alpn http/1.1", World::PLACE), &[new()]);
    assert_eq!(demand(&world, not_tls()).await, None);
}

#[tokio::test]
async fn who_waits_for_a_header_is_told_from_who_is_away() {
    let world = World::nginx();
    world.handshakes.shows(&format!("{} proxy v2", World::PLACE), &[new()]);
    assert_eq!(demand(&world, silent()).await, None, "nobody listens");
    world.handshakes.wait(World::PLACE);
    assert_eq!(demand(&world, silent()).await, Some(ClientDemand::ProxyProtocolV2));
}

#[tokio::test]
async fn what_a_server_said_by_itself_is_not_tried() {
    let world = World::nginx();
    world.handshakes.shows(&format!("{} proxy v2", World::PLACE), &[new()]);
    let said = Observation::Refused { demand: ClientDemand::ClientCertificate, reason: "so".to_owned() };
    assert_eq!(made_of(&world, said.clone(), true).await, said);
}

#[tokio::test]
async fn a_listener_that_takes_no_more_limits_all_that_is_asked_there() {
    let mut world = World::nginx();
    world.handshakes.limit(World::PLACE, 20);
    assert_eq!(made_of(&world, new(), false).await, new(), "nothing is going to be switched");
    let Observation::Refused { demand, reason } = made_of(&world, new(), true).await else { panic!("taken") };
    let said = "after 20 more handshakes one after the other it took no other: the connection was closed";
    assert_eq!((demand, reason.as_str()), (ClientDemand::Rate, said));
    // With a rate that was given there is nothing to find out.
    let endpoint = &mut world.host_mut().services[0].endpoints[0];
    *endpoint = endpoint.with_client(|client| client.rate = Some("5/s".parse().unwrap()));
    assert_eq!(made_of(&world, new(), true).await, new());
}

/// A request in flight was offered HTTP, or is the one connection that may be open.
#[tokio::test]
async fn what_takes_not_one_more_wants_what_the_first_one_brought_or_fewer_at_a_time() {
    let world = World::nginx().showing(&[not_tls()]);
    world.handshakes.limit(World::PLACE, 0);
    assert_eq!(demand(&world, new()).await, Some(ClientDemand::Rate));
    world.handshakes.shows(&format!("{} alpn h2 alpn http/1.1", World::PLACE), &[new()]);
    assert_eq!(demand(&world, new()).await, Some(ClientDemand::AlpnHttp));
}

#[tokio::test]
async fn by_starttls_no_protocol_of_http_is_offered() {
    let mut world = World::nginx();
    world.host_mut().services[0].endpoints[0].starttls = Some(StartTls::Smtp);
    world.handshakes.shows(&format!("{} alpn h2 alpn http/1.1", World::PLACE), &[new()]);
    assert_eq!(demand(&world, not_tls()).await, None);
}

/// Before anything is sent that would be changed.
#[tokio::test]
async fn a_transcript_of_nothing_is_asked_of_the_host() {
    let (world, transcript) = (World::nginx().showing(&[not_tls()]), Transcript::new());
    let connection = Arc::new(transcript.host());
    let service = world.service();
    let shown: Vec<Shown> = vec![(service.name.clone(), service.endpoints[0].clone(), not_tls())];
    let shown = explained((&world.handshakes, Some(&connection)), shown, true).await;
    assert_eq!(shown[0].2, not_tls());
}
