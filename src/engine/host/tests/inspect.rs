//! Whether a host may be changed at all.

use super::{failure_of, showing_pem};
use crate::engine::testing::{
    Transcript, World, certificates, ended, facts, maybe_sent, not_sent, not_tls, ok, previous, served,
    silent, verified,
};
use crate::plan::{Direction, Undo};
use crate::ports::RemoteErrorKind;
use crate::rollout::{Exposure, Inspected, Step, StepEnded, StepFailure};

/// What an inspection makes of what `inspect` prints, and then of what else is asked.
async fn inspect(world: &World, said: &str, more: impl FnOnce(Transcript) -> Transcript) -> StepEnded {
    let transcript = more(Transcript::locked().then("first task", ok(said)));
    world.step(Step::Inspect, &transcript).await
}

async fn found(world: &World, said: &str) -> Inspected {
    match inspect(world, said, |transcript| transcript).await {
        StepEnded::Inspect(Ok(inspected)) => inspected,
        other => panic!("{other:?}"),
    }
}

async fn failure(world: &World, said: &str) -> StepFailure {
    failure_of(&inspect(world, said, |transcript| transcript).await)
}

#[tokio::test]
async fn a_host_that_serves_the_target_has_nothing_to_do_and_nothing_to_undo() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.new)]);
    for history in [String::new(), verified(&[&all.older, &all.old, &all.new])] {
        let inspected = found(&world, &facts(Some(&all.new), &[&all.old, &all.new], &history)).await;
        assert!(inspected.proven && inspected.staged && inspected.already && !inspected.armed);
        assert_eq!(inspected.previous, None);
    }
}

#[tokio::test]
async fn a_target_that_is_live_and_was_never_made_final_waits_for_its_confirmation_without_a_switch() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.new)]);
    let said = facts(Some(&all.new), &[&all.older, &all.old, &all.new], &verified(&[&all.older, &all.old]));
    let ended = inspect(&world, &said, |transcript| showing_pem(transcript, &all.old)).await;
    let StepEnded::Inspect(Ok(inspected)) = ended else { panic!("{ended:?}") };
    assert!(inspected.proven && inspected.armed && !inspected.already);
    assert_eq!(inspected.previous, Some(previous(&all.old)));
}

#[tokio::test]
async fn a_target_that_is_live_and_not_served_is_not_proven() {
    let all = certificates();
    for shown in [all.shown(&all.old), served(&[all.new.leaf()]), silent()] {
        let mut world = World::nginx().showing(&[shown]);
        // Half-way: how it is does not hold it up.
        world.known.exposure = Exposure::Reloaded;
        let inspected = found(&world, &facts(Some(&all.new), &[&all.old, &all.new], "")).await;
        assert!(!inspected.proven && inspected.staged);
    }
}

#[tokio::test]
async fn what_is_live_is_what_a_host_goes_back_to() {
    let all = certificates();
    let inspected = found(&World::nginx(), &facts(Some(&all.old), &[&all.older, &all.old], "")).await;
    assert_eq!(inspected.previous, Some(previous(&all.old)));
    assert!(!inspected.proven && !inspected.staged);
}

#[tokio::test]
async fn a_host_is_first_handshaken_with_when_its_version_is_staged_unless_it_is_already() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.old)]);
    found(&world, &facts(Some(&all.old), &[&all.old], "")).await;
    assert_eq!(world.handshakes.made(World::PLACE), 0);
    assert!(found(&world, &facts(Some(&all.old), &[&all.old, &all.new], "")).await.staged);
    assert_eq!(world.handshakes.made(World::PLACE), 1);
}

#[tokio::test]
async fn everything_that_stands_in_the_way_is_told_at_once() {
    let said = "\ncertwave:user 1000 ann\ncertwave:reason Permission denied\ncertwave:unwritable /etc/certwave\n\
                certwave:free 3\ncertwave:no-owner\ncertwave:missing tar\ncertwave:missing flock\n\
                certwave:live-occupied\ncertwave:reason nginx: [emerg] unknown directive \"x\"\ncertwave:unready 1\n\
                certwave:result inspected\n";
    let StepFailure::Failed { reason } = failure(&World::nginx(), said).await else { panic!() };
    insta::assert_snapshot!(reason.replace("; ", "\n"), @r#"
the host lacks `tar`, `flock`
`/etc/certwave` cannot be written to: Permission denied
no room in `/etc/certwave`: 3 KiB free, 64 KiB needed
user `root` does not exist on the host
`/etc/certwave/live/a.test` was not made by certwave: move it away
service `nginx` is not ready: nginx: [emerg] unknown directive "x"
"#);
}

#[tokio::test]
async fn a_server_that_does_not_run_is_in_the_way_of_going_back_and_refused_on_the_way_forward() {
    let all = certificates();
    let down = facts(Some(&all.old), &[&all.old], "")
        .replace("certwave:ready 1", "certwave:reason there is no pid file\ncertwave:down 1");
    let reason = |failure: StepFailure| match failure {
        StepFailure::Failed { reason } => reason,
        other => panic!("{other:?}"),
    };
    let mut world = World::nginx();
    let forward = reason(failure(&world, &down).await);
    assert!(
        forward.starts_with("refused before the switch: nginx does not run: there is no pid file"),
        "{forward}"
    );
    world.host_mut().accepted = true;
    assert!(!found(&world, &down).await.proven);
    world.plan.schedule.direction = Direction::Back;
    assert_eq!(reason(failure(&world, &down).await), "service `nginx` is not ready: there is no pid file");
}

#[tokio::test]
async fn a_host_whose_sudo_would_keep_the_key_is_sent_none() {
    let (all, world) = (certificates(), World::nginx());
    let locked = || Transcript::new().then("connect", ok("")).then("hold", ok("certwave:locked on off"));
    let said = facts(Some(&all.old), &[&all.old], "certwave:sudo-logs on off\n");
    let inspected = world.step(Step::Inspect, &locked().then("first task", ok(&said))).await;
    let reason = failure_of(&inspected).reason().to_owned();
    assert!(reason.starts_with("refused before anything is sent: sudo would keep"), "{reason}");
    // What was turned on since is found out before the key is sent.
    let staged = world.showing(&[all.shown(&all.old)]).step(Step::Stage, &locked()).await;
    let reason = failure_of(&staged).reason().to_owned();
    assert!(reason.starts_with("sudo would keep the private key"), "{reason}");
}

#[tokio::test]
async fn a_switch_that_is_armed_for_the_target_is_told_and_what_it_would_put_back_is_the_way_back() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.new)]);
    // The newest other version was never live.
    let armed = format!("certwave:armed {} {} process\n", all.new.version(), all.older.version());
    let said = facts(Some(&all.new), &[&all.older, &all.old, &all.new], &armed);
    let ended = inspect(&world, &said, |transcript| showing_pem(transcript, &all.older)).await;
    let StepEnded::Inspect(Ok(inspected)) = ended else { panic!("{ended:?}") };
    assert!(inspected.armed && inspected.proven);
    assert_eq!(inspected.previous, Some(previous(&all.older)));
}

#[tokio::test]
async fn a_switch_that_is_armed_for_another_version_arms_nothing() {
    let all = certificates();
    let armed = format!("certwave:armed {} {} process\n", all.new.version(), all.old.version());
    let inspected = found(&World::nginx(), &facts(Some(&all.old), &[&all.old], &armed)).await;
    assert!(!inspected.armed);
}

#[tokio::test]
async fn what_a_switch_did_is_told() {
    let all = certificates();
    let fired = format!(
        "certwave:fired 1799999000 {} {} reload-failed nginx\n",
        all.new.version(),
        all.old.version()
    );
    let inspected = found(&World::nginx(), &facts(Some(&all.old), &[&all.old], &fired)).await;
    let undone = inspected.undone.unwrap();
    assert_eq!((&undone.target, &undone.previous), (all.new.version(), all.old.version()));
    assert_eq!(undone.problem.as_deref(), Some("nginx could not be reloaded"));
    assert!(inspected.risks.iter().any(|risk| risk.risk == "undone"), "{:?}", inspected.risks);
}

#[tokio::test]
async fn a_host_that_serves_somebody_elses_certificate_is_refused_before_anything_is_changed() {
    let all = certificates();
    let said = facts(Some(&all.old), &[&all.old, &all.new], "");
    let refused =
        |shown| async { failure(&World::nginx().showing(&[shown]), &said).await.reason().to_owned() };
    let foreign = refused(served(&[&all.foreign])).await;
    assert!(foreign.contains("another certificate is served, for a.test by `CN=Other CA`"), "{foreign}");
    let none = refused(not_tls()).await;
    assert!(none.contains("TLS handshake fails now: the connection was closed"), "{none}");
    let mut world = World::nginx().showing(&[served(&[&all.foreign])]);
    world.host_mut().accepted = true;
    assert!(found(&world, &said).await.staged);
}

#[tokio::test]
async fn a_configuration_that_is_broken_now_is_refused_before_anything_is_changed() {
    let all = certificates();
    let said = facts(Some(&all.old), &[&all.old], "").replace(
        "certwave:result",
        "certwave:broken 1 nginx: [emerg] unknown directive \"x\" in /etc/nginx/nginx.conf:3\ncertwave:result",
    );
    let reason = failure(&World::nginx(), &said).await.reason().to_owned();
    assert!(
        reason.starts_with("refused before the switch: nginx does not take its configuration"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_inspection_that_broke_off_is_in_doubt() {
    let all = certificates();
    let whole = facts(Some(&all.old), &[&all.old], "");
    let cut = whole.replace("certwave:result inspected\n", "");
    let StepFailure::InDoubt { reason } = failure(&World::nginx(), &cut).await else { panic!() };
    assert!(reason.starts_with("the script ended with status 0 before it was finished"), "{reason}");
    let killed = Transcript::locked().then("first task", ended(137, "", ""));
    let ended = World::nginx().step(Step::Inspect, &killed).await;
    assert!(matches!(failure_of(&ended), StepFailure::InDoubt { .. }), "{ended:?}");
    let unheard = Transcript::locked().then("first task", maybe_sent("the connection was reset"));
    let ended = World::nginx().step(Step::Inspect, &unheard).await;
    let reason = "the connection was reset".to_owned();
    assert_eq!(failure_of(&ended), StepFailure::InDoubt { reason });
}

#[tokio::test]
async fn a_host_that_is_away_is_unreachable_and_one_that_is_not_itself_or_lets_nobody_in_fails() {
    for (kind, away) in [
        (RemoteErrorKind::Unreachable, true),
        (RemoteErrorKind::Timeout, true),
        (RemoteErrorKind::Protocol, true),
        (RemoteErrorKind::HostKey, false),
        (RemoteErrorKind::Login, false),
    ] {
        for step in [Step::Inspect, Step::Stage, Step::Activate, Step::Commit, Step::Rollback] {
            let transcript = Transcript::new().then("connect", not_sent(kind, "so"));
            let ended = World::nginx().step(step, &transcript).await;
            assert_eq!(ended.step(), step);
            let reason = "so".to_owned();
            let expected =
                if away { StepFailure::Unreachable { reason } } else { StepFailure::Failed { reason } };
            assert_eq!(failure_of(&ended), expected, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_lock_that_is_not_had_fails_the_step_with_what_the_host_said() {
    for (answer, words) in [
        (ok("certwave:busy 01JD by 4711 on ops2"), "another rollout holds the lock: 01JD by 4711 on ops2"),
        (
            ended(75, "certwave:busy 01JD by 4711 on ops2\n", ""),
            "another rollout holds the lock: 01JD by 4711 on ops2",
        ),
        (ok("Welcome to web01!\n"), "the host's shell says `Welcome to web01!` before any command runs"),
        (
            ended(1, "", "sudo: a password is required\n"),
            "`sudo -n` asks for a password: allow it without one in sudoers, or log in as another user",
        ),
        (
            ended(
                1,
                "certwave:reason mkdir: cannot create directory '/etc/certwave': Read-only file system\ncertwave:error unwritable /etc/certwave\n",
                "",
            ),
            "`/etc/certwave` is on a read-only file system",
        ),
        // As a line of its own, before the shell ends.
        (
            ok(
                "certwave:refused unwritable /etc/certwave\tmkdir: cannot create directory '/etc/certwave': Read-only file system\n",
            ),
            "`/etc/certwave` is on a read-only file system",
        ),
        (
            ok("certwave:refused unsafe /srv\tothers may write to it\n"),
            "others can change what `install: directory` holds, at `/srv`: others may write to it. Root would run what they put there: make it root's, and let nobody else write to it (`chown root /srv`, `chmod go-w /srv`), or set another `install: directory`",
        ),
    ] {
        let transcript = Transcript::new().then("connect", ok("")).then("hold", answer);
        let ended = World::nginx().step(Step::Inspect, &transcript).await;
        assert_eq!(failure_of(&ended), StepFailure::Failed { reason: words.to_owned() });
    }
    // Nothing that matters was done.
    let transcript = Transcript::new().then("connect", ok("")).then("hold", maybe_sent("it broke"));
    let ended = World::nginx().step(Step::Inspect, &transcript).await;
    assert_eq!(failure_of(&ended), StepFailure::Unreachable { reason: "it broke".to_owned() });
}

#[tokio::test]
async fn a_host_that_is_undone_goes_back_to_something_older() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.new)]);
    let undo = Undo { lasts_until: crate::certificate::testing::now(), accepted: Vec::new() };
    world.plan.schedule.direction = Direction::Undo(undo);
    let said = facts(Some(&all.new), &[&all.old, &all.new], &verified(&[&all.old, &all.new]));
    let ended = inspect(&world, &said, |transcript| showing_pem(transcript, &all.old)).await;
    let StepEnded::Inspect(Ok(inspected)) = ended else { panic!("{ended:?}") };
    assert_eq!(inspected.previous, Some(previous(&all.old)));
}
