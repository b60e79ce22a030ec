//! The proof of a rollout, when nothing is under way.

use std::time::Duration;

use crate::engine::handshake::prove_again;
use crate::engine::testing::{Transcript, World, certificates, not_sent, ok};
use crate::ports::RemoteErrorKind;
use crate::verify::{EndpointState, Via};

async fn states(world: &World, transcript: Transcript) -> Vec<Result<(), EndpointState>> {
    let target = world.target();
    let own = target.set.leaves().into_iter().collect();
    let with = (&transcript.host(), &world.handshakes, &world.clock);
    let proofs = prove_again(world.host(), with, |endpoint| target.expected(endpoint, None), &own).await;
    proofs.into_iter().map(|proof| proof.result.map_err(|judgement| judgement.state)).collect()
}

#[tokio::test]
async fn nobody_logs_in_where_the_controller_dials() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.new)]);
    assert_eq!(states(&world, Transcript::new()).await, [Ok(())]);
    assert_eq!(world.handshakes.made(World::PLACE), 31);
}

#[tokio::test]
async fn what_is_wrong_for_five_seconds_is_wrong() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.old)]);
    assert_eq!(states(&world, Transcript::new()).await, [Err(EndpointState::Unknown)]);
    let passed = world.clock.passed();
    assert!((Duration::from_secs(5)..Duration::from_millis(5_100)).contains(&passed), "{passed:?}");
    // A playbook that waits for less is not waited for any longer.
    let mut hasty = World::nginx().showing(&[all.shown(&all.old)]);
    hasty.host_mut().timeout = Duration::from_secs(2);
    states(&hasty, Transcript::new()).await;
    let passed = hasty.clock.passed();
    assert!((Duration::from_secs(2)..Duration::from_millis(2_100)).contains(&passed), "{passed:?}");
}

#[tokio::test]
async fn a_host_that_lets_nobody_in_is_proven_only_where_the_controller_dials() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.new)]);
    let mut inside = world.service().endpoints[0].clone();
    (inside.port, inside.via) = (8443, Via::Ssh);
    world.handshakes.shows("192.0.2.1:8443", &[all.shown(&all.new)]);
    world.host_mut().services[0].endpoints.push(inside);
    let refused = not_sent(RemoteErrorKind::Login, "the login was refused");
    let ended = states(&world, Transcript::new().then("connect", refused)).await;
    assert_eq!(ended, [Ok(()), Err(EndpointState::Unreachable)]);
    assert_eq!(states(&world, Transcript::new().then("connect", ok(""))).await, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn names_that_are_answered_with_a_version_of_the_certificate_count() {
    let all = certificates();
    let world = |other| World::nginx().showing(&[all.shown(&all.new)]).with_another_name(&[other]);
    let foreign = crate::engine::testing::served(&[&all.foreign]);
    assert_eq!(states(&world(foreign), Transcript::new()).await, [Ok(())]);
    assert_eq!(states(&world(all.shown(&all.new)), Transcript::new()).await, [Ok(()), Ok(())]);
}
