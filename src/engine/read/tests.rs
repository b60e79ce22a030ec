//! Reading without changing, by transcripts.

use crate::certificate::testing::pem;
use crate::engine::read::{Surveyor, read_status, rehearse};
use crate::engine::testing::{
    Answer, Transcript, World, certificates, ended, facts, maybe_sent, not_sent, ok, previous, served,
};
use crate::install::Tested;
use crate::ports::RemoteErrorKind;
use crate::preview::{Missed, Seen, SeenHost};
use crate::service::{Haproxy, ServiceSpec};

async fn survey(world: &World, transcript: &Transcript, known: bool) -> Seen {
    let surveyor = Surveyor {
        connector: transcript.host(),
        prober: world.handshakes.clone(),
        clock: world.clock.clone(),
        target: known.then(|| world.target().into()),
        stored: world.stored.clone(),
    };
    surveyor.survey(world.host()).await
}

/// No lock is taken: `hold` is not in it.
fn looking(answer: Answer) -> Transcript {
    Transcript::new().then("connect", ok("")).then("exec …survey='\\''yes'\\''…", answer)
}

async fn seen(world: &World, transcript: Transcript) -> SeenHost {
    match survey(world, &transcript, true).await {
        Seen::Host(host) => *host,
        Seen::Missed(missed) => panic!("{missed:?}"),
    }
}

#[tokio::test]
async fn a_survey_finds_out_what_an_inspection_would_and_what_is_served_as_well() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.old)]);
    let host =
        seen(&world, looking(ok(&facts(Some(&all.old), &[&all.old], "certwave:clock 1800000007\n")))).await;
    assert_eq!(host.previous, Some(previous(&all.old)));
    assert_eq!((host.clock_ahead, host.problems.len()), (7, 0));
    assert_eq!(host.served[0].leaf.as_ref().unwrap().fingerprint_sha256, all.old.leaf().fingerprint);
    assert!(host.served[0].ours);
    let world = World::nginx().showing(&[served(&[&all.foreign])]);
    let host = seen(&world, looking(ok(&facts(Some(&all.old), &[&all.old], "")))).await;
    assert!(!host.served[0].ours);
}

#[tokio::test]
async fn a_survey_tells_of_problems_and_of_servers_that_cannot_be_told_anything() {
    let all = certificates();
    let haproxy: Haproxy = serde_json::from_value(serde_json::json!({
        "sockets": ["/run/haproxy/admin.sock"], "certificates": [{"path": "/etc/haproxy/a.pem", "file": "combined.pem"}],
        "crt_list": null, "reload": {"master": "/run/haproxy-master.sock"}, "binary": "/usr/sbin/haproxy",
        "config": "/etc/haproxy/haproxy.cfg", "test": null, "bufsize": 16384
    }))
    .unwrap();
    let world = World::of(ServiceSpec::Haproxy(haproxy)).showing(&[all.shown(&all.old)]);
    let said = facts(Some(&all.old), &[&all.old], "certwave:no-owner\n");
    let transcript =
        looking(ok(&said)).socket("/run/haproxy/admin.sock", "show ssl crt-list\n", "Permission denied\n\n");
    let host = seen(&world, transcript).await;
    assert_eq!(host.problems[0], "user `root` does not exist on the host");
    assert!(host.problems[1].contains("give it `level admin`"), "{:?}", host.problems);
}

#[tokio::test]
async fn a_host_that_was_not_looked_at_is_away_or_would_fail() {
    let world = World::nginx();
    let missed = async |transcript: Transcript| match survey(&world, &transcript, false).await {
        Seen::Missed(Missed { reason, unreachable }) => (reason, unreachable),
        Seen::Host(host) => panic!("{host:?}"),
    };
    let connect = |kind| Transcript::new().then("connect", not_sent(kind, "so"));
    assert_eq!(missed(connect(RemoteErrorKind::Unreachable)).await, ("so".to_owned(), true));
    assert_eq!(missed(connect(RemoteErrorKind::HostKey)).await, ("so".to_owned(), false));
    assert_eq!(missed(looking(maybe_sent("it broke"))).await, ("it broke".to_owned(), true));
    let (reason, unreachable) = missed(looking(ended(1, "", "sudo: a password is required\n"))).await;
    assert!(reason.starts_with("`sudo -n` asks for a password") && !unreachable, "{reason}");
}

#[tokio::test]
async fn a_view_shows_what_is_served_of_a_host_that_lets_nobody_in() {
    let all = certificates();
    let world = World::nginx().showing(&[all.shown(&all.new)]);
    let transcript = Transcript::new().then("connect", not_sent(RemoteErrorKind::Login, "refused"));
    let seen = read_status(world.host(), &transcript.host(), &world.handshakes).await;
    assert_eq!(seen.inside.err().as_deref(), Some("refused"));
    assert_eq!(seen.observed[0][0].1, all.shown(&all.new));
    let active = String::from_utf8(pem(&[all.new.leaf()])).unwrap();
    let active: String = active.lines().map(|line| format!("|{line}\n")).collect();
    let said = format!(
        "certwave:live ../archive/a.test/{}\ncertwave:begin active\n{active}certwave:end active\ncertwave:result looked\n",
        all.new.version()
    );
    let transcript = Transcript::new().then("connect", ok("")).then("exec …", ok(&said));
    let seen = read_status(world.host(), &transcript.host(), &world.handshakes).await;
    let disk = seen.inside.unwrap().disk.unwrap();
    assert_eq!((disk.active.len(), disk.damaged), (1, false));
}

#[tokio::test]
async fn a_rehearsal_stages_aside_and_tells_what_each_server_thinks_of_it() {
    let all = certificates();
    let world = World::nginx();
    let staged = |answer| Transcript::locked().then("exec …stage… < … B", answer);
    let aside = staged(ok("certwave:result staged\n"));
    let transcript = aside.then("exec …", ok("certwave:took 1\ncertwave:result rehearsed\n"));
    let tested = rehearse(&transcript.host(), world.host(), &all.new, "plan by ops1").await;
    assert!(matches!(tested.as_deref(), Ok([Tested::Took(_)])), "{tested:?}");
    let full = "certwave:reason tar: No space left on device\ncertwave:error unpack /etc/certwave\n";
    let transcript = staged(ended(1, full, ""));
    let reason = rehearse(&transcript.host(), world.host(), &all.new, "plan by ops1").await.unwrap_err();
    assert_eq!(reason, "no room left in `/etc/certwave`: tar: No space left on device");
}
