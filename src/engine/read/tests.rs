//! Reading without changing, by transcripts.

use crate::certificate::testing::{Authority, LeafSpec, pem};
use crate::engine::read::{Surveyor, read_status, rehearse};
use crate::engine::testing::{
    Answer, Transcript, World, certificates, ended, facts, haproxy, maybe_sent, not_sent, not_tls, ok,
    previous, served, silent,
};
use crate::install::{Formats, Tested, files};
use crate::plan::HostIndex;
use crate::ports::RemoteErrorKind;
use crate::preview::{Missed, Seen, SeenHost};
use crate::service::{Command, ServiceSpec};
use crate::verify::{Endpoint, Via};

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
    Transcript::new().then("connect", ok("")).then("exec …survey='yes'…", answer)
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
    let world = World::of(ServiceSpec::Haproxy(haproxy(&["/run/haproxy/admin.sock"])))
        .showing(&[all.shown(&all.old)]);
    let said = facts(Some(&all.old), &[&all.old], "certwave:no-owner\n");
    let transcript =
        looking(ok(&said)).socket("/run/haproxy/admin.sock", "show ssl crt-list\n", "Permission denied\n\n");
    let host = seen(&world, transcript).await;
    assert_eq!(host.problems[0], "user `root` does not exist on the host");
    assert!(host.problems[1].contains("give it `level admin`"), "{:?}", host.problems);
}

#[tokio::test]
async fn what_a_server_goes_on_to_read_is_somebody_elses_only_for_a_name_of_the_certificate() {
    let all = certificates();
    let other = Authority::new("Other CA");
    for (name, ours) in [("b.test", true), ("a.test", false)] {
        let (leaf, _) = other.issue(&LeafSpec { names: &[name], ..LeafSpec::default() });
        let world = World::nginx().showing(&[served(&[&leaf])]);
        let text = String::from_utf8(pem(&[&leaf])).unwrap();
        let text: String = text.lines().map(|line| format!("|{line}\n")).collect();
        let more = format!(
            "certwave:reads 1 other certificate /etc/ssl/b.crt\ncertwave:begin read 1 /etc/ssl/b.crt\n{text}\
             certwave:end read 1 /etc/ssl/b.crt\n"
        );
        let host = seen(&world, looking(ok(&facts(Some(&all.old), &[&all.old], &more)))).await;
        assert_eq!(host.served[0].ours, ours, "{name}");
        assert_eq!(host.reads[0].files[0].leaf.as_ref().unwrap().names, [name]);
    }
}

#[tokio::test]
async fn of_a_server_that_tells_nothing_where_nothing_was_installed_nothing_is_known() {
    let all = certificates();
    let foreign = || World::nginx().showing(&[served(&[&all.foreign])]);
    let host = seen(&foreign(), looking(ok(&facts(None, &[], "")))).await;
    assert!(host.served[0].ours && host.on_disk.is_empty());
    let told = "certwave:reads 1 ours certificate /etc/ssl/a.crt\n";
    let host = seen(&foreign(), looking(ok(&facts(None, &[], told)))).await;
    assert!(!host.served[0].ours);
}

#[tokio::test]
async fn a_version_of_the_store_is_ours_whichever_it_is() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.older)]);
    let old = || looking(ok(&facts(Some(&all.old), &[&all.old], "")));
    assert!(!seen(&world, old()).await.served[0].ours);
    world.stored.own = all.older.leaves().into_iter().collect();
    assert!(seen(&world, old()).await.served[0].ours);
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
    let staged = |answer| Transcript::locked().then("task script …stage… < … B", answer);
    let aside = staged(ok("certwave:result staged\n"));
    let transcript = aside.then("task script 0\n…", ok("certwave:took 1\ncertwave:result rehearsed\n"));
    let files = files(&all.new, &Formats::default()).unwrap();
    let tested = rehearse(&transcript.host(), world.host(), &all.new, &files, "plan by ops1").await;
    assert!(matches!(tested.as_deref(), Ok([Tested::Took(_)])), "{tested:?}");
    let full = "certwave:reason tar: No space left on device\ncertwave:error unpack /etc/certwave\n";
    let transcript = staged(ended(1, full, ""));
    let reason =
        rehearse(&transcript.host(), world.host(), &all.new, &files, "plan by ops1").await.unwrap_err();
    assert_eq!(reason, "no room left in `/etc/certwave`: tar: No space left on device");
}

#[tokio::test]
async fn a_server_that_has_no_test_says_nothing_of_a_rehearsal_unless_it_is_against_it() {
    let all = certificates();
    let files = files(&all.new, &Formats::default()).unwrap();
    let rehearsed = async |test: Option<&str>, said: &str| {
        let test = test.map(str::to_owned);
        let world = World::of(ServiceSpec::Command(Command { test, reload: "true".to_owned() }));
        let staged = Transcript::locked().then("task script …", ok("certwave:result staged\n"));
        let transcript = staged.then("task script 0\n…", ok(&format!("{said}certwave:result rehearsed\n")));
        rehearse(&transcript.host(), world.host(), &all.new, &files, "plan by ops1").await.unwrap()
    };
    let took = "certwave:took 1\n";
    let name = || "command".parse().unwrap();
    assert_eq!(rehearsed(Some("check"), took).await, [Tested::Took(name())]);
    assert_eq!(rehearsed(None, took).await, []);
    let refused = "certwave:reason broken\ncertwave:refused 1\n";
    assert_eq!(rehearsed(None, refused).await, [Tested::Refused(name(), "broken".to_owned())]);
    let untested = "certwave:untested the host has no unshare\n";
    assert_eq!(rehearsed(None, untested).await, [Tested::Untested("the host has no unshare".to_owned())]);
}

#[tokio::test]
async fn a_host_breaks_when_the_first_of_what_it_shows_expires_and_nobody_logs_in_for_that() {
    let all = certificates();
    let mut world = World::nginx().showing(&[all.shown(&all.new)]);
    let endpoint = world.service().endpoints[0].clone();
    let at = |port, via| Endpoint { port, via, ..endpoint.clone() };
    // The last one is only dialled through the host.
    world.host_mut().services[0].endpoints.extend([at(8443, Via::Direct), at(9443, Via::Ssh)]);
    world.handshakes.shows("192.0.2.1:8443", &[all.shown(&all.old)]);
    world.handshakes.shows("192.0.2.1:9443", &[all.shown(&all.older)]);
    let expires = async |world: &World| world.fleet(&Transcript::new()).expires(HostIndex::new(0)).await;
    assert_eq!(expires(&world).await, Some(all.old.not_after()));
    // With what is sent behind the leaf.
    world.handshakes.shows("192.0.2.1:8443", &[served(&[all.new.leaf(), all.old.leaf()])]);
    assert_eq!(expires(&world).await, Some(all.old.not_after()));
    world.handshakes.shows("192.0.2.1:8443", &[not_tls()]);
    assert_eq!(expires(&world).await, Some(all.new.not_after()));
    world.handshakes.shows(World::PLACE, &[silent()]);
    assert_eq!(expires(&world).await, None);
}
