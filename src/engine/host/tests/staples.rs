//! OCSP answers that are stapled before the switch, and what became of them.

use crate::engine::testing::{Transcript, World, certificates, facts, ok};
use crate::plan::HostIndex;
use crate::ports::Effects;
use crate::rollout::{Committed, Step, StepEnded};
use crate::verify::Observation;

fn kept(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/ocsp/{name}.der", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A handshake that shows a chain of the store, with that answer stapled.
fn stapled(answer: Option<&str>) -> Observation {
    let all = certificates();
    let Observation::Served(mut served) = all.shown(&all.old) else { panic!() };
    served.staple = answer.map(kept);
    Observation::Served(served)
}

/// The remarks of a commit after a switch before which and since which these were stapled; and how many handshakes
/// told that.
async fn remarks(before: Option<&str>, since: &[Option<&str>]) -> (Vec<(String, String)>, usize) {
    let all = certificates();
    let world = World::nginx().after(&all.old).showing(&[stapled(before)]);
    let transcript = Transcript::locked()
        .then("first task", ok(&facts(Some(&all.old), &[&all.old], "")))
        .then("task take …", ok("certwave:result staged\n"))
        .then("task run …", ok("certwave:result committed\n"));
    let fleet = world.fleet(&transcript);
    for step in [Step::Inspect, Step::Stage] {
        let ended = fleet.run(HostIndex::new(0), step, world.known.clone()).await;
        assert_eq!(ended.failure(), None);
    }
    let since: Vec<Observation> = since.iter().map(|one| stapled(*one)).collect();
    world.handshakes.shows(World::PLACE, &since);
    let ended = fleet.run(HostIndex::new(0), Step::Commit, world.known.clone()).await;
    let StepEnded::Commit(Ok(Committed::Final(remarks))) = ended else { panic!("{ended:?}") };
    let remarks = remarks.into_iter().map(|one| (one.risk, one.text)).collect();
    (remarks, world.handshakes.made(World::PLACE))
}

#[tokio::test]
async fn what_was_stapled_and_is_not_any_more_or_is_for_another_certificate_is_told() {
    let lost = "an OCSP answer was stapled before the switch, and none is since";
    let unfit = |reason: &str| {
        format!("the OCSP answer that is stapled {reason}: clients may refuse the certificate")
    };
    let (other, unreadable) = (unfit("is for another certificate"), unfit("cannot be read"));
    for (before, since, expected) in [
        (Some("answer"), [None, None], Some(("staple_lost", lost))),
        (Some("answer"), [Some("answer"), None], Some(("staple_unfit", other.as_str()))),
        (Some("error"), [Some("error"), None], Some(("staple_unfit", unreadable.as_str()))),
        // It staples none to the handshake for which it asks the CA.
        (Some("answer"), [None, Some("answer")], Some(("staple_unfit", other.as_str()))),
    ] {
        let (told, made) = remarks(before, &since).await;
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|(id, words)| (id.to_owned(), format!("nginx at {}: {words}", World::PLACE)))
            .collect();
        assert_eq!(told, expected);
        assert!((1..20).contains(&made), "{made} handshakes");
    }
}

#[tokio::test]
async fn what_stapled_nothing_before_is_not_asked_again() {
    assert_eq!(remarks(None, &[Some("answer")]).await, (Vec::new(), 0));
}
