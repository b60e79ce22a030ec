//! The steps around the switch: stage, commit and rollback.

use super::{failed, failure_of, in_doubt};
use crate::engine::testing::{
    Answer, Transcript, World, certificates, ended, facts, haproxy, maybe_sent, not_sent, ok, served, silent,
};
use crate::gate::Handshakes;
use crate::plan::HostIndex;
use crate::ports::{Effects, RemoteErrorKind};
use crate::rollout::{Baseline, Committed, Exposure, Measured, Silent, Step, StepEnded, StepFailure};
use crate::service::ServiceSpec;
use crate::verify::Endpoint;

fn world() -> World {
    let all = certificates();
    World::nginx().after(&all.old).showing(&[all.shown(&all.old)])
}

async fn stage(world: &World, answer: Answer) -> StepEnded {
    let asked = format!(
        "task take version='{0}'; size='…'; folder='archive/a.test/.{0}.partial.new'; formats=''; owner='root'; group='root'; key_mode='0600'; stage < … B",
        certificates().new.version()
    );
    world.step(Step::Stage, &Transcript::locked().then(asked, answer)).await
}

async fn commit(world: &World, answer: Answer) -> StepEnded {
    let all = certificates();
    let asked = format!(
        "task run committed='{}'; back='no'; previous='{}'; verified=''; commit",
        all.new.version(),
        all.old.version()
    );
    world.step(Step::Commit, &Transcript::locked().then(asked, answer)).await
}

async fn roll_back(world: &World, reload: &str, answer: Answer) -> StepEnded {
    let asked = format!("task run version='{}'; reload='{reload}'; rollback", certificates().old.version());
    world.step(Step::Rollback, &Transcript::locked().then(asked, answer)).await
}

#[tokio::test]
async fn a_version_is_staged_whether_or_not_it_was_there() {
    for said in ["certwave:result staged\n\n", "certwave:result already\n\n"] {
        assert_eq!(stage(&world(), ok(said)).await, StepEnded::Stage(Ok(Baseline::default())));
    }
    let other = failure_of(&stage(&world(), ok("certwave:result activated\n")).await);
    assert_eq!(other, failed("the host answered out of protocol: `activated`"));
}

#[tokio::test]
async fn a_stage_that_failed_says_why() {
    for (said, reason) in [
        (
            "certwave:reason tar: write error: No space left on device\ncertwave:error unpack 20261130T021417Z-859fc622\n",
            "no room left in `20261130T021417Z-859fc622`: tar: write error: No space left on device",
        ),
        (
            "certwave:error corrupt 20261130T021417Z-859fc622\n",
            "the files that arrived are not those that were sent",
        ),
        (
            "certwave:reason chown: changing ownership of 'cert.pem': Operation not permitted\ncertwave:error owner ann root:root\n",
            "user `ann` may not give files to `root:root`: set `ansible_become`, or another owner and group",
        ),
    ] {
        assert_eq!(failure_of(&stage(&world(), ended(1, said, "")).await), failed(reason));
    }
}

#[tokio::test]
async fn a_step_that_broke_off_is_in_doubt_and_one_that_was_not_sent_is_not() {
    let lost = "the connection was lost";
    let unheard = || maybe_sent(lost);
    let unsent = || not_sent(RemoteErrorKind::Unreachable, lost);
    let killed = || ended(137, "certwave:clock 1\n", "");
    let mut touched = world();
    touched.known.exposure = Exposure::Reloaded;
    let all = [
        [stage(&world(), unheard()).await, stage(&world(), unsent()).await, stage(&world(), killed()).await],
        [
            commit(&world(), unheard()).await,
            commit(&world(), unsent()).await,
            commit(&world(), killed()).await,
        ],
        [
            roll_back(&touched, "yes", unheard()).await,
            roll_back(&touched, "yes", unsent()).await,
            roll_back(&touched, "yes", killed()).await,
        ],
    ];
    for [unheard, unsent, killed] in all {
        assert_eq!(failure_of(&unheard), in_doubt(lost));
        assert_eq!(failure_of(&unsent), StepFailure::Unreachable { reason: lost.to_owned() });
        assert!(matches!(failure_of(&killed), StepFailure::InDoubt { .. }), "{killed:?}");
    }
}

#[tokio::test]
async fn a_host_that_turns_out_to_serve_somebody_elses_certificate_is_refused_once_its_version_is_staged() {
    let all = certificates();
    for (shown, refused) in [(served(&[&all.foreign]), true), (all.shown(&all.old), false)] {
        let world = World::nginx().showing(&[shown]);
        let transcript = Transcript::locked()
            .then("first task", ok(&facts(Some(&all.old), &[&all.old], "")))
            .then("task take …", ok("certwave:result staged\n"));
        let fleet = world.fleet(&transcript);
        let inspected = fleet.run(HostIndex::new(0), Step::Inspect, world.known.clone()).await;
        assert_eq!(inspected.failure(), None);
        let staged = fleet.run(HostIndex::new(0), Step::Stage, world.known.clone()).await;
        let reason = staged.failure().map(StepFailure::reason);
        assert_eq!(reason.is_some_and(|reason| reason.starts_with("refused before the switch")), refused);
    }
}

#[tokio::test]
async fn a_commit_makes_the_version_final() {
    for said in [
        "certwave:result committed\n\n",
        "certwave:pruned 20261001T021255Z-febeef07\ncertwave:result committed\n",
    ] {
        assert_eq!(commit(&world(), ok(said)).await, StepEnded::Commit(Ok(Committed::Final(Vec::new()))));
    }
}

#[tokio::test]
async fn old_workers_that_a_commit_finds_are_told_with_their_service() {
    for (said, words) in [
        (
            "1 1",
            "nginx: 1 old worker still serves the certificate from before, to connections that were open",
        ),
        (
            "1 3",
            "nginx: 3 old workers still serve the certificate from before, to connections that were open",
        ),
    ] {
        let said = format!("certwave:old {said}\ncertwave:result committed\n");
        let StepEnded::Commit(Ok(Committed::Final(remarks))) = commit(&world(), ok(&said)).await else {
            panic!("it was not committed");
        };
        let remarks: Vec<_> = remarks.iter().map(|one| (one.risk.as_str(), one.text.as_str())).collect();
        assert_eq!(remarks, [("old_workers", words)]);
    }
}

#[tokio::test]
async fn a_commit_is_refused_where_the_version_was_undone_or_is_going_to_be() {
    for (said, reason) in [
        (
            "certwave:error undone 20261001T021255Z-febeef07\n",
            "the version was undone by its dead-man switch before it was confirmed: `20261001T021255Z-febeef07` is live",
        ),
        (
            "certwave:error armed /etc/certwave/.dead-man.a.test\n",
            "the dead-man switch `/etc/certwave/.dead-man.a.test` could not be disarmed",
        ),
    ] {
        let refused = StepEnded::Commit(Ok(Committed::Refused { reason: reason.to_owned() }));
        assert_eq!(commit(&world(), ended(1, said, "")).await, refused);
    }
}

#[tokio::test]
async fn an_archive_that_cannot_be_pruned_fails_the_commit() {
    let said = "certwave:reason rm: cannot remove: Permission denied\ncertwave:error unwritable /etc/certwave/archive/a.test\n";
    let reason = "`/etc/certwave/archive/a.test` cannot be written to: rm: cannot remove: Permission denied";
    assert_eq!(failure_of(&commit(&world(), ended(1, said, "")).await), failed(reason));
}

#[tokio::test]
async fn a_host_without_a_previous_certificate_is_told_nothing_when_it_should_go_back() {
    let ended = World::nginx().step(Step::Rollback, &Transcript::locked()).await;
    assert_eq!(failure_of(&ended), failed("there is no previous certificate"));
}

#[tokio::test]
async fn a_host_is_back_when_it_serves_the_previous_certificate() {
    let all = certificates();
    let rolled_back = "certwave:result rolled-back\n\n";
    // What is reloaded is watched.
    for (exposure, reload, tried) in [(Exposure::Switched, "no", 0), (Exposure::Reloaded, "yes", 1)] {
        let mut world = world();
        world.known.exposure = exposure;
        let handshakes = Handshakes { tried, failed: 0 };
        assert_eq!(
            roll_back(&world, reload, ok(rolled_back)).await,
            StepEnded::Rollback(Ok(Measured { handshakes, ..Measured::default() }))
        );
    }
    // A flaw of what is taken back is no reason to give up.
    let flawed = served(&[all.new.leaf()]);
    let healing =
        world().showing(&[flawed.clone(), flawed.clone(), flawed.clone(), flawed, all.shown(&all.old)]);
    assert_eq!(
        roll_back(&healing, "no", ok(rolled_back)).await,
        StepEnded::Rollback(Ok(Measured::default()))
    );
    // Another version of the store is not the previous one.
    let mut other = world().showing(&[all.shown(&all.older)]);
    other.stored.leaves = all.older.leaves().into_iter().collect();
    let failed_by = failure_of(&roll_back(&other, "no", ok(rolled_back)).await);
    assert!(failed_by.reason().contains("another certificate of certwave's store is served"));
    let world = world().showing(&[all.shown(&all.new)]);
    let reason = "nginx at 192.0.2.1:443: the new certificate is served";
    assert_eq!(failure_of(&roll_back(&world, "no", ok(rolled_back)).await), failed(reason));
}

/// The journal says so, whether this process saw it or one that died.
#[tokio::test]
async fn a_server_that_refuses_the_controller_alone_is_back_once_it_had_its_quiet() {
    let all = certificates();
    for (inside, is_back) in [(&all.old, true), (&all.new, false)] {
        // Until the time is up, and for a while longer.
        let mut shown = vec![silent(); 500];
        shown.push(all.shown(&all.old));
        let world = world().showing(&shown);
        world.handshakes.shows(&format!("{} inside", World::PLACE), &[all.shown(inside)]);
        let ended = roll_back(&world, "no", ok("certwave:result rolled-back\n\n")).await;
        assert_eq!(matches!(ended, StepEnded::Rollback(Ok(_))), is_back, "{ended:?}");
    }
}

#[tokio::test]
async fn a_port_that_answered_nobody_before_the_switch_need_not_answer_after_the_way_back() {
    let all = certificates();
    let mut world = world().showing(&[all.shown(&all.old)]);
    let service = &mut world.host_mut().services[0];
    let endpoint = Endpoint { port: 8443, ..service.endpoints[0].clone() };
    service.endpoints.push(endpoint.clone());
    let silent = Silent { service: service.name.clone(), endpoint };
    world.handshakes.shows("192.0.2.1:8443", &[crate::engine::testing::silent()]);
    let rolled_back = "certwave:result rolled-back\n\n";
    let reason = "nginx at 192.0.2.1:8443: no answer: connection refused";
    assert_eq!(failure_of(&roll_back(&world, "no", ok(rolled_back)).await), failed(reason));
    world.known.baseline.silent = vec![silent];
    assert_eq!(roll_back(&world, "no", ok(rolled_back)).await, StepEnded::Rollback(Ok(Measured::default())));
    // One that answered before has to answer again.
    world.handshakes.shows(World::PLACE, &[crate::engine::testing::silent()]);
    let reason = "nginx at 192.0.2.1:443: no answer: connection refused";
    assert_eq!(failure_of(&roll_back(&world, "no", ok(rolled_back)).await), failed(reason));
}

#[tokio::test]
async fn what_answers_nobody_is_told_by_the_step_that_dials_it_before_the_switch() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.old)]);
    // A person named it: else it is refused.
    world.host_mut().accepted = true;
    let service = &mut world.host_mut().services[0];
    let endpoint = Endpoint { port: 8443, ..service.endpoints[0].clone() };
    service.endpoints.push(endpoint.clone());
    let silent = vec![Silent { service: service.name.clone(), endpoint }];
    world.handshakes.shows("192.0.2.1:8443", &[crate::engine::testing::silent()]);
    for (complete, of_inspect) in [(vec![&all.old], Vec::new()), (vec![&all.old, &all.new], silent.clone())] {
        let transcript = Transcript::locked()
            .then("first task", ok(&facts(Some(&all.old), &complete, "")))
            .then("task take …", ok("certwave:result staged\n"));
        let fleet = world.fleet(&transcript);
        match fleet.run(HostIndex::new(0), Step::Inspect, world.known.clone()).await {
            StepEnded::Inspect(Ok(inspected)) => assert_eq!(inspected.baseline.silent, of_inspect),
            other => panic!("{other:?}"),
        }
        let staged = fleet.run(HostIndex::new(0), Step::Stage, world.known.clone()).await;
        assert_eq!(staged, StepEnded::Stage(Ok(Baseline { silent: silent.clone(), ..Baseline::default() })));
    }
}

#[tokio::test]
async fn memory_that_was_never_told_of_the_new_certificate_is_not_told_of_the_old_one() {
    let all = certificates();
    let mut world = World::of(ServiceSpec::Haproxy(haproxy(&["/run/haproxy/admin.sock"])))
        .after(&all.old)
        .showing(&[all.shown(&all.old)]);
    world.known.exposure = Exposure::Switched;
    // No socket is in what is asked.
    assert_eq!(
        roll_back(&world, "no", ok("certwave:result rolled-back\n")).await,
        StepEnded::Rollback(Ok(Measured::default()))
    );
}

#[tokio::test]
async fn a_server_that_refuses_the_way_back_fails_it() {
    let mut world = world();
    world.known.exposure = Exposure::Reloaded;
    let output = "certwave:begin output\n|nginx: [emerg] unknown directive \"x\"\n|nginx: test failed\ncertwave:end output\n";
    for (result, words) in [
        ("test-failed 1", "nginx refused the previous configuration"),
        ("reload-failed 1", "nginx did not reload"),
    ] {
        let said = format!("{output}certwave:result {result}\n");
        let reason = format!("{words}: nginx: [emerg] unknown directive \"x\" | nginx: test failed");
        assert_eq!(failure_of(&roll_back(&world, "yes", ended(1, &said, "")).await), failed(&reason));
    }
    let gone = "certwave:error incomplete 20261001T021255Z-febeef07\n";
    let reason = "version `20261001T021255Z-febeef07` is not complete in the host's archive";
    assert_eq!(failure_of(&roll_back(&world, "yes", ended(1, gone, "")).await), failed(reason));
}
