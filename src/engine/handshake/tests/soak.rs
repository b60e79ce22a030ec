//! The watch over a wave.

use std::time::Duration;

use crate::engine::handshake::soak::FleetWatch;
use crate::engine::testing::{Transcript, World, certificates, not_sent, not_tls, ok, served, silent};
use crate::gate::{Gate, HandshakeSample, Handshakes, Sample};
use crate::plan::HostIndex;
use crate::ports::{Clock, Effects, RemoteErrorKind, SoakWatch};
use crate::rollout::{Baseline, Elsewhere};
use crate::verify::{Observation, Via};

async fn soaked(world: &World, transcript: &Transcript, long: Duration) -> HandshakeSample {
    let watch =
        world.fleet(transcript).watch(&[Gate::Handshakes], vec![(HostIndex::new(0), Baseline::default())]);
    world.clock.sleep(long).await;
    let Sample::Handshakes(sample) = watch.so_far().remove(0);
    sample
}

async fn five_rounds(shown: &[Observation]) -> HandshakeSample {
    let world = World::nginx().showing(shown);
    soaked(&world, &Transcript::new(), Duration::from_millis(2_100)).await
}

#[tokio::test]
async fn only_the_new_certificate_without_a_finding_passes() {
    let all = certificates();
    let new = || all.shown(&all.new);
    assert_eq!(five_rounds(&[new()]).await.handshakes, Handshakes { tried: 5, failed: 0 });
    for bad in [all.shown(&all.old), served(&[all.new.leaf()]), served(&[&all.foreign]), not_tls(), silent()]
    {
        let sample = five_rounds(&[new(), bad, new()]).await;
        assert_eq!(sample.handshakes, Handshakes { tried: 5, failed: 1 });
    }
}

#[tokio::test]
async fn another_version_of_the_store_is_not_the_new_one() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.old)]);
    world.stored.leaves = all.old.leaves().into_iter().collect();
    let sample = soaked(&world, &Transcript::new(), Duration::from_millis(2_100)).await;
    assert_eq!(sample.handshakes, Handshakes { tried: 5, failed: 5 });
    let said = sample.first_failure.unwrap();
    assert!(said.contains("another certificate of certwave's store is served"), "{said}");
}

#[tokio::test]
async fn every_endpoint_of_every_service_is_watched() {
    let all = certificates();
    for of_two_services in [false, true] {
        let mut world = World::nginx().showing(&[all.shown(&all.new)]);
        let mut another = world.service().clone();
        another.endpoints[0].port = 8443;
        world.handshakes.shows("192.0.2.1:8443", &[silent()]);
        match of_two_services {
            true => world.host_mut().services.push(another),
            false => world.host_mut().services[0].endpoints.append(&mut another.endpoints),
        }
        let sample = soaked(&world, &Transcript::new(), Duration::from_millis(2_100)).await;
        assert_eq!(sample.handshakes, Handshakes { tried: 10, failed: 5 });
    }
}

#[tokio::test]
async fn a_soak_that_ends_in_the_middle_of_a_round_begins_no_other_handshake() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.new)]);
    let mut another = world.service().endpoints[0].clone();
    another.port = 8443;
    world.handshakes.shows("192.0.2.1:8443", &[all.shown(&all.new)]);
    world.host_mut().services[0].endpoints.push(another);
    world.handshakes.take(&world.clock, Duration::from_secs(5));
    let mut watch = world
        .fleet(&Transcript::new())
        .watch(&[Gate::Handshakes], vec![(HostIndex::new(0), Baseline::default())]);
    world.clock.sleep(Duration::from_secs(2)).await;
    watch.finish().await;
    let made = [World::PLACE, "192.0.2.1:8443"].map(|place| world.handshakes.made(place));
    assert_eq!(made, [1, 0]);
}

#[tokio::test]
async fn a_host_is_named_once_and_the_first_failure_is_kept() {
    let all = certificates();
    let sample = five_rounds(&[all.shown(&all.new), silent(), not_tls(), all.shown(&all.old)]).await;
    assert_eq!(sample.handshakes, Handshakes { tried: 5, failed: 4 });
    let hosts: Vec<String> = sample.failed_hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["web01"]);
    let first = "web01: nginx at 192.0.2.1:443: no answer: connection refused";
    assert_eq!(sample.first_failure.as_deref(), Some(first));
}

#[tokio::test]
async fn a_host_that_is_dialled_through_itself_is_connected_to_once_it_lets_somebody_in() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.new)]);
    world.host_mut().services[0].endpoints[0].via = Via::Ssh;
    let away = not_sent(RemoteErrorKind::Unreachable, "no answer");
    let transcript = Transcript::new().then("connect", away).then("connect", ok(""));
    let sample = soaked(&world, &transcript, Duration::from_millis(2_100)).await;
    assert_eq!(sample.handshakes.tried, 5);
}

#[tokio::test]
async fn a_server_that_hangs_when_the_soak_ends_is_waited_for_and_nothing_else_begins() {
    let all = certificates();
    for (shown, failed) in [(silent(), 1), (all.shown(&all.new), 0)] {
        let world = World::nginx().showing(&[shown]);
        world.handshakes.take(&world.clock, Duration::from_secs(5));
        let mut watch = world
            .fleet(&Transcript::new())
            .watch(&[Gate::Handshakes], vec![(HostIndex::new(0), Baseline::default())]);
        world.clock.sleep(Duration::from_millis(2_100)).await;
        let seen = |watch: &FleetWatch| {
            let Sample::Handshakes(sample) = watch.so_far().remove(0);
            sample.handshakes
        };
        assert_eq!(seen(&watch), Handshakes { tried: 0, failed: 0 });
        watch.finish().await;
        assert_eq!(seen(&watch), Handshakes { tried: 1, failed });
        assert_eq!(world.clock.passed(), Duration::from_secs(5));
        // Once more is not once too much.
        watch.finish().await;
        world.clock.sleep(Duration::from_secs(20)).await;
        assert_eq!(world.handshakes.made(World::PLACE), 1);
    }
}

#[tokio::test]
async fn a_watch_that_was_dropped_makes_no_more_handshakes() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.new)]);
    soaked(&world, &Transcript::new(), Duration::from_millis(600)).await;
    let made = world.handshakes.made(World::PLACE);
    world.clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(world.handshakes.made(World::PLACE), made);
}

#[tokio::test]
async fn each_round_asks_for_the_next_name_that_the_host_serves() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.new)]).with_another_name(&[all.shown(&all.old)]);
    let long = Duration::from_millis(2_100);
    let sample = soaked(&world, &Transcript::new(), long).await;
    assert_eq!(sample.handshakes, Handshakes { tried: 5, failed: 2 });
    // A name that is left to others is not asked for.
    let (service, names) = (world.service().name.clone(), vec!["www.a.test".parse().unwrap()]);
    let place = Elsewhere { service, address: "192.0.2.1".to_owned(), port: 443, names };
    let before = Baseline { elsewhere: vec![place], ..Baseline::default() };
    let watch = world.fleet(&Transcript::new()).watch(&[Gate::Handshakes], vec![(HostIndex::new(0), before)]);
    world.clock.sleep(long).await;
    let Sample::Handshakes(sample) = watch.so_far().remove(0);
    assert_eq!(sample.handshakes, Handshakes { tried: 5, failed: 0 });
}
