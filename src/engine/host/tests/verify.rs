//! The proof by handshakes.

use std::time::Duration;

use crate::engine::testing::{Transcript, World, certificates, facts, ok, served, silent};
use crate::gate::Handshakes;
use crate::plan::HostIndex;
use crate::ports::{Clock, Effects};
use crate::rollout::{Disproven, Measured, Proven, Silent, Step, StepEnded, Verified};
use crate::service::{Command, ServiceSpec};
use crate::verify::{Endpoint, EndpointState, HeldOutcome, Observation, Via};

/// The new certificate, the previous one, and others that may be shown.
fn shown(signs: &str) -> Vec<Observation> {
    let all = certificates();
    let one = |sign| match sign {
        '+' => all.shown(&all.new),
        '-' => all.shown(&all.old),
        'f' => served(&[all.new.leaf()]),
        'x' => served(&[&all.foreign]),
        _ => silent(),
    };
    signs.chars().map(one).collect()
}

fn world(signs: &str) -> World {
    World::nginx().after(&certificates().old).showing(&shown(signs))
}

async fn verify(world: &World) -> Verified {
    match world.step(Step::Verify, &Transcript::locked()).await {
        StepEnded::Verify(Ok(verified)) => verified,
        other => panic!("{other:?}"),
    }
}

async fn disproven(world: &World) -> Disproven {
    match verify(world).await {
        Verified::Disproven(disproven) => disproven,
        Verified::Proven(_) => panic!("it was proven"),
    }
}

#[tokio::test]
async fn where_it_is_not_known_who_answers_a_host_is_proven_by_a_long_run() {
    for (answers, wanted) in [(1, 31), (3, 31), (31, 31), (40, 40)] {
        let mut world = world("--?+");
        world.host_mut().answers = answers;
        assert_eq!(verify(&world).await, Verified::Proven(Proven::default()));
        assert_eq!(world.handshakes.made(World::PLACE), 3 + wanted, "{answers}");
    }
}

/// Inspected and then verified: how many handshakes that took, after what its host said of its sockets.
async fn made(signs: &str, listeners: &str, change: impl FnOnce(&mut World)) -> usize {
    let mut world = world(signs);
    change(&mut world);
    let said = facts(Some(&certificates().old), &[&certificates().old], listeners);
    let transcript = Transcript::locked().then("first task", ok(&said));
    let fleet = world.fleet(&transcript);
    let inspected = fleet.run(HostIndex::new(0), Step::Inspect, world.known.clone()).await;
    assert!(inspected.failure().is_none(), "{inspected:?}");
    let before = world.handshakes.made(World::PLACE);
    let verified = fleet.run(HostIndex::new(0), Step::Verify, world.known.clone()).await;
    assert!(matches!(verified, StepEnded::Verify(Ok(Verified::Proven(_)))), "{verified:?}");
    world.handshakes.made(World::PLACE) - before
}

#[tokio::test]
async fn where_one_master_owns_the_sockets_the_usual_answers_prove_it() {
    let (own, elsewhere) =
        ("certwave:listener 1 00000000:01BB own\n", "certwave:listener 1 010200C0:01BB else\n");
    assert_eq!(made("--?+", own, |_| ()).await, 3 + 3);
    assert_eq!(made("-+", own, |world| world.host_mut().answers = 1).await, 1 + 1);
    // Who went back on what it showed has to show more.
    assert_eq!(made("+-+", own, |_| ()).await, 2 + 31);
    // Another process has the very address.
    assert_eq!(made("+", &format!("{own}{elsewhere}"), |_| ()).await, 31);
    // A place that is not where the host was logged in to may be anybody's.
    let away = |world: &mut World| world.host_mut().login.address = "192.0.2.9".to_owned();
    assert_eq!(made("+", own, away).await, 31);
}

#[tokio::test]
async fn who_goes_back_and_forth_has_to_show_more_in_a_row() {
    for (signs, made) in [("-+", 1 + 31), ("+-+", 2 + 31), ("+-+-+", 4 + 31)] {
        let world = world(signs);
        assert_eq!(verify(&world).await, Verified::Proven(Proven::default()));
        assert_eq!(world.handshakes.made(World::PLACE), made, "{signs}");
    }
}

#[tokio::test]
async fn a_server_whose_old_processes_may_linger_is_asked_with_pauses() {
    let quick = world("+");
    verify(&quick).await;
    assert_eq!(quick.clock.passed(), Duration::ZERO);
    let reload = ServiceSpec::Command(Command { test: None, reload: "true".to_owned() });
    let slow = World::of(reload).after(&certificates().old).showing(&shown("+"));
    verify(&slow).await;
    assert_eq!(slow.clock.passed(), Duration::from_millis(30 * 50));
}

#[tokio::test]
async fn a_flaw_of_the_new_certificate_is_not_waited_for() {
    let flawed = world("-f");
    let Disproven { state, reason, .. } = disproven(&flawed).await;
    assert_eq!(state, EndpointState::New);
    assert!(reason.contains("the chain is incomplete: 1 of 2 certificates are sent"), "{reason}");
    assert!(flawed.clock.passed() < Duration::from_secs(1));
    // Two are not enough: an old process may have sent them.
    assert_eq!(verify(&world("ff+")).await, Verified::Proven(Proven::default()));
    for comes_and_goes in ["ff-ff+", "ff+f+", "ff?ff+"] {
        assert_eq!(verify(&world(comes_and_goes)).await, Verified::Proven(Proven::default()));
    }
}

#[tokio::test]
async fn what_is_late_is_waited_for_until_the_time_is_up() {
    for (signs, state, words) in [
        ("-", EndpointState::Previous, "still the previous certificate is served"),
        ("x", EndpointState::Unknown, "another certificate is served, which certwave never issued"),
    ] {
        let world = world(signs);
        let found = disproven(&world).await;
        assert_eq!(found.state, state);
        assert!(found.reason.starts_with(&format!("nginx at 192.0.2.1:443: {words}")), "{}", found.reason);
        let passed = world.clock.passed();
        assert!((20_000..20_100).contains(&passed.as_millis()), "{passed:?}");
    }
}

/// Only the certificate before is worth waiting for, where a server answered before.
#[tokio::test]
async fn a_server_that_answers_nobody_any_more_is_broken_after_three_seconds() {
    let passed = async |world: &World| {
        assert_eq!(disproven(world).await.state, EndpointState::Unreachable);
        world.clock.passed().as_secs()
    };
    assert_eq!(passed(&world("?")).await, 3);
    assert_eq!(passed(&world("-?")).await, 3);
    // It answers again in time.
    assert_eq!(verify(&world("???-??+")).await, Verified::Proven(Proven::default()));
    // It answered nobody before, or may need its time to start.
    let mut silent = world("?");
    let (service, endpoint) = (silent.service().name.clone(), silent.service().endpoints[0].clone());
    silent.known.baseline.silent = vec![Silent { service, endpoint }];
    assert_eq!(passed(&silent).await, 20);
    let restart = ServiceSpec::Command(Command { test: None, reload: "true".to_owned() });
    let slow = World::of(restart).after(&certificates().old).showing(&shown("?"));
    assert_eq!(passed(&slow).await, 20);
}

#[tokio::test]
async fn what_stands_between_is_told_before_what_is_merely_late() {
    let mut world = world("-");
    let late = world.service().endpoints[0].clone();
    let mut between = late.clone();
    between.port = 8443;
    world.handshakes.shows("192.0.2.1:8443", &shown("x"));
    for endpoints in [vec![late.clone(), between.clone()], vec![between, late]] {
        world.host_mut().services[0].endpoints = endpoints;
        assert_eq!(disproven(&world).await.state, EndpointState::Unknown);
    }
}

#[tokio::test]
async fn each_service_that_shows_a_foreign_certificate_is_told_once() {
    let mut world = world("x");
    let nginx = world.service().name.clone();
    assert_eq!(disproven(&world).await.foreign, std::slice::from_ref(&nginx));
    let mut other = world.service().clone();
    other.name = "other".parse().unwrap();
    for service in [other.clone(), other] {
        let mut service = service;
        service.endpoints[0].port = 8443;
        world.host_mut().services.push(service);
    }
    world.handshakes.shows("192.0.2.1:8443", &shown("x"));
    assert_eq!(disproven(&world).await.foreign, [nginx, "other".parse().unwrap()]);
    assert_eq!(disproven(&self::world("-")).await.foreign, []);
}

/// Another endpoint, which shows something else.
fn with_another(world: &mut World, shown: &[Observation]) -> Endpoint {
    let mut another = world.service().endpoints[0].clone();
    another.port = 8443;
    world.handshakes.shows("192.0.2.1:8443", shown);
    another
}

#[tokio::test]
async fn a_host_is_proven_by_every_endpoint_of_every_service() {
    for (signs, state) in [("-", EndpointState::Previous), ("?", EndpointState::Unreachable)] {
        let mut of_one = world("+");
        let another = with_another(&mut of_one, &shown(signs));
        of_one.host_mut().services[0].endpoints.push(another);
        assert_eq!(disproven(&of_one).await.state, state);
        let mut of_two = world("+");
        let another = with_another(&mut of_two, &shown(signs));
        let mut service = of_two.service().clone();
        service.endpoints = vec![another];
        of_two.host_mut().services.push(service);
        assert_eq!(disproven(&of_two).await.state, state);
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_dialled_all_the_same_so_that_the_reason_is_told() {
    let mut world = world("+");
    world.host_mut().services[0].endpoints[0].address = "lb.test".to_owned();
    world.handshakes.shows("lb.test:443", &shown("?"));
    assert_eq!(disproven(&world).await.state, EndpointState::Unreachable);
}

#[tokio::test]
async fn what_is_dialled_through_the_host_is_resolved_by_the_host() {
    let mut world = world("+");
    let endpoint = &mut world.host_mut().services[0].endpoints[0];
    (endpoint.address, endpoint.via) = ("lb.test".to_owned(), Via::Ssh);
    world.handshakes.leads("lb.test", &["192.0.2.1", "192.0.2.2"]);
    world.handshakes.shows("lb.test:443", &shown("+"));
    assert_eq!(verify(&world).await, Verified::Proven(Proven::default()));
    assert_eq!(world.handshakes.made("lb.test:443"), 31);
}

#[tokio::test]
async fn a_name_is_proven_at_each_of_its_addresses() {
    let mut world = world("+");
    world.host_mut().services[0].endpoints[0].address = "lb.test".to_owned();
    world.handshakes.leads("lb.test", &["192.0.2.1", "2001:db8::1"]);
    world.handshakes.shows("[2001:db8::1]:443", &shown("-"));
    let found = disproven(&world).await;
    assert!(found.reason.starts_with("nginx at [2001:db8::1]:443"), "{}", found.reason);
}

/// A host that is switched and then proven, with a request in flight.
async fn switched(held: HeldOutcome) -> Measured {
    let all = certificates();
    let world = World::nginx().after(&all.old).showing(&[all.shown(&all.old)]);
    world.handshakes.hold(held);
    let transcript = Transcript::locked().then("task run …activate", ok("certwave:result activated\n"));
    let fleet = world.fleet(&transcript);
    fleet.run(HostIndex::new(0), Step::Activate, world.known.clone()).await;
    world.handshakes.shows(World::PLACE, &shown("+"));
    match fleet.run(HostIndex::new(0), Step::Verify, world.known.clone()).await {
        StepEnded::Verify(Ok(Verified::Proven(proven))) => proven.measured,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_clients_noticed_is_told_with_the_proof() {
    let cut = HeldOutcome::Cut("connection reset by peer".to_owned());
    for outcome in [HeldOutcome::Answered, cut] {
        let measured = switched(outcome.clone()).await;
        assert_eq!(measured.held, Some(outcome));
        let Handshakes { tried, failed } = measured.handshakes;
        assert!(tried > 0 && failed == 0, "{measured:?}");
    }
}

/// Silent for longer than a broken server may be, and then new.
fn quiet_then_new() -> World {
    world(&format!("{}+", "?".repeat(70)))
}

/// What the host itself is shown, which has another address.
fn inside(world: &World, signs: &str) {
    world.handshakes.shows(&format!("{} inside", World::PLACE), &shown(signs));
}

#[tokio::test]
async fn a_server_that_refuses_the_controller_alone_is_proven_slowly() {
    let world = quiet_then_new();
    inside(&world, "+");
    let begun = world.clock.now();
    let Verified::Proven(Proven { risks, disrupted, .. }) = verify(&world).await else { panic!("disproven") };
    assert_eq!((risks[0].risk.as_str(), risks.len(), disrupted), ("rate_limited", 1, None));
    assert!(world.clock.now().duration_since(begun).as_secs() >= 3 + 11, "it had no quiet");
}

#[tokio::test]
async fn a_server_that_refuses_everybody_or_serves_something_else_inside_is_broken_at_once() {
    for signs in ["?", "-", "x", "f"] {
        let world = quiet_then_new();
        inside(&world, signs);
        let begun = world.clock.now();
        assert_eq!(disproven(&world).await.state, EndpointState::Unreachable, "{signs}");
        assert!(world.clock.now().duration_since(begun).as_secs() < 11, "{signs}");
    }
}

#[tokio::test]
async fn a_proof_is_not_made_slowly_where_a_rate_was_given_or_the_switch_would_go_back_meanwhile() {
    let rated = |world: &mut World| {
        let endpoint = &mut world.host_mut().services[0].endpoints[0];
        *endpoint = endpoint.with_client(|client| client.rate = Some("1/s".parse().unwrap()));
    };
    let armed = |world: &mut World| world.host_mut().dead_man = Some(Duration::from_secs(20 + 11 + 31));
    let armed_longer = |world: &mut World| world.host_mut().dead_man = Some(Duration::from_secs(63));
    type Change<'a> = &'a dyn Fn(&mut World);
    let cases: [(Change<'_>, bool); 3] = [(&rated, false), (&armed, false), (&armed_longer, true)];
    for (change, proven) in cases {
        let mut world = quiet_then_new();
        inside(&world, "+");
        change(&mut world);
        assert_eq!(matches!(verify(&world).await, Verified::Proven(_)), proven);
    }
}

/// What nginx 1.22 logs of each handshake where a worker may not read a key that a variable names.
const LOGGED: &str = "cannot load certificate key \"/etc/ssl/a.key\": BIO_new_file() failed";

#[tokio::test]
async fn an_endpoint_that_answers_nobody_is_told_with_the_end_of_its_servers_log() {
    let logged = format!("certwave:begin words 1\n|{LOGGED}\ncertwave:end words 1\ncertwave:result told\n");
    let told = async |signs: &str, said: &str| {
        let world = world(signs);
        let transcript = Transcript::locked().then("task run own_words", ok(said));
        match world.step(Step::Verify, &transcript).await {
            StepEnded::Verify(Ok(Verified::Disproven(disproven))) => disproven.reason,
            other => panic!("{other:?}"),
        }
    };
    let reason = told("?", &logged).await;
    let words = format!("; the log of nginx since the switch: `{LOGGED}`");
    assert!(reason.starts_with("nginx at 192.0.2.1:443: no answer") && reason.ends_with(&words), "{reason}");
    // It says nothing, or cannot be read.
    for said in ["certwave:result told\n", "certwave:error unpack x\n"] {
        assert!(!told("?", said).await.contains("the log of"), "{said}");
    }
    // Of a server that answers with another certificate, its log says nothing that matters: it is not asked.
    let found = disproven(&world("x")).await;
    assert!(!found.reason.contains("the log of"), "{}", found.reason);
}
