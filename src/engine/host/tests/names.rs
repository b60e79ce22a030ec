//! Every name of the certificate that a host serves.

use crate::certificate::CertificateSet;
use crate::engine::testing::{Transcript, World, certificates, facts, ok, served, silent};
use crate::plan::HostIndex;
use crate::ports::Effects;
use crate::rollout::{Baseline, Disproven, Elsewhere, Proven, Step, StepEnded, Verified};
use crate::verify::Observation;

/// Inspected, and staged where it was not: what its endpoints showed then.
async fn baseline(world: &World, complete: &[&CertificateSet]) -> Baseline {
    let all = certificates();
    let mut transcript = Transcript::locked().then("first task", ok(&facts(Some(&all.old), complete, "")));
    if complete.len() == 1 {
        transcript = transcript.then("task take …", ok("certwave:result staged\n"));
    }
    let fleet = world.fleet(&transcript);
    let inspected = fleet.run(HostIndex::new(0), Step::Inspect, world.known.clone()).await;
    match inspected {
        StepEnded::Inspect(Ok(inspected)) if inspected.staged => return inspected.baseline,
        StepEnded::Inspect(Ok(_)) => {}
        other => panic!("{other:?}"),
    }
    match fleet.run(HostIndex::new(0), Step::Stage, world.known.clone()).await {
        StepEnded::Stage(Ok(baseline)) => baseline,
        other => panic!("{other:?}"),
    }
}

/// The certificate's other name is left to others.
fn elsewhere(world: &World) -> Baseline {
    let (service, names) = (world.service().name.clone(), vec!["www.a.test".parse().unwrap()]);
    let place = Elsewhere { service, address: "192.0.2.1".to_owned(), port: 443, names };
    Baseline { elsewhere: vec![place], ..Baseline::default() }
}

async fn verify(world: &World) -> Verified {
    match world.step(Step::Verify, &Transcript::locked()).await {
        StepEnded::Verify(Ok(verified)) => verified,
        other => panic!("{other:?}"),
    }
}

fn old() -> Observation {
    certificates().shown(&certificates().old)
}

fn new() -> Observation {
    certificates().shown(&certificates().new)
}

fn foreign() -> Observation {
    served(&[&certificates().foreign])
}

#[tokio::test]
async fn a_name_that_the_host_answers_with_something_else_is_left_to_it() {
    let all = certificates();
    for complete in [vec![&all.old], vec![&all.old, &all.new]] {
        let world = World::nginx().showing(&[old()]).with_another_name(&[old()]);
        assert_eq!(baseline(&world, &complete).await, Baseline::default());
        for other in [foreign(), silent()] {
            let world = World::nginx().showing(&[old()]).with_another_name(&[other]);
            assert_eq!(baseline(&world, &complete).await, elsewhere(&world));
        }
    }
}

#[tokio::test]
async fn where_the_first_name_is_somebody_elses_the_host_is_proven_by_the_other_one() {
    let all = certificates();
    let mut world = World::nginx().showing(&[foreign()]).with_another_name(&[old()]);
    let before = baseline(&world, &[&all.old]).await;
    assert_eq!(before.elsewhere[0].names, ["a.test".parse().unwrap()]);
    world.known.baseline = before;
    world.handshakes.shows(World::OTHER_NAME, &[new()]);
    let Verified::Proven(proven) = verify(&world).await else { panic!("it is proven") };
    assert_eq!(proven.risks[0].risk, "name_elsewhere");
}

#[tokio::test]
async fn a_name_that_was_served_from_what_is_switched_has_to_be_new_afterwards() {
    let world = World::nginx().after(&certificates().old).showing(&[new()]).with_another_name(&[old()]);
    let Verified::Disproven(Disproven { reason, .. }) = verify(&world).await else { panic!("it is not new") };
    assert_eq!(reason, "nginx at 192.0.2.1:443 for www.a.test: still the previous certificate is served");
    let world = world.with_another_name(&[old(), new()]);
    assert_eq!(verify(&world).await, Verified::Proven(Proven::default()));
    assert_eq!(world.handshakes.made(World::OTHER_NAME), 1 + 3);
}

#[tokio::test]
async fn a_name_that_is_left_to_others_is_told_as_it_is_in_the_end() {
    let mut world = World::nginx().showing(&[new()]).with_another_name(&[foreign()]);
    world.known.baseline = elsewhere(&world);
    let told = async |world: &World| match verify(world).await {
        Verified::Proven(proven) => proven.risks.into_iter().map(|risk| risk.text).collect::<Vec<_>>(),
        Verified::Disproven(disproven) => panic!("{disproven:?}"),
    };
    assert_eq!(
        told(&world).await,
        [
            "nginx at 192.0.2.1:443 answers www.a.test with another certificate, for a.test by `CN=Other CA`: the rollout leaves \
             that as it is"
        ]
    );
    assert_eq!(world.handshakes.made(World::OTHER_NAME), 1);
    let world = world.with_another_name(&[silent()]);
    assert_eq!(
        told(&world).await,
        ["nginx at 192.0.2.1:443 does not answer for www.a.test: connection refused"]
    );
    // As where nobody answered before: it turned out to be new.
    assert!(told(&world.with_another_name(&[new()])).await.is_empty());
}
