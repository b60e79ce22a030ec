//! The switch.

use std::time::Duration;

use super::{failed, failure_of, in_doubt};
use crate::engine::testing::{
    self, Transcript, World, certificates, ended, maybe_sent, not_sent, not_tls, ok,
};
use crate::plan::HostIndex;
use crate::ports::{Effects, RemoteErrorKind};
use crate::rollout::{Activated, Reloaded, Step, StepEnded};
use crate::service::{ServiceSpec, ServiceWay, Way};

const ACTIVATED: &str = "certwave:result activated\n\n";
/// What nginx 1.22 says of a configuration that it does not find.
const OUTPUT: &str = "certwave:begin output\n\
    |2026/11/30 02:15:27 [emerg] 3433#3433: open() \"/nowhere/nginx.conf\" failed (2: No such file or directory)\n\
    |nginx: configuration file /nowhere/nginx.conf test failed\n\ncertwave:end output\n";
const WORDS: &str = "2026/11/30 02:15:27 [emerg] 3433#3433: open() \"/nowhere/nginx.conf\" failed (2: No such file or \
    directory) | nginx: configuration file /nowhere/nginx.conf test failed";

/// A host whose version `old` is switched, and that was not staged just now.
fn nginx() -> World {
    let all = certificates();
    World::nginx().after(&all.old).showing(&[all.shown(&all.old)])
}

/// An Envoy without an admin interface.
fn envoy() -> World {
    let all = certificates();
    World::of(ServiceSpec::Envoy(testing::envoy(None))).after(&all.old).showing(&[all.shown(&all.old)])
}

fn line(whole: &str, armed: &str) -> String {
    let all = certificates();
    format!(
        "task run version='{}'; whole='{whole}'; linked='no'; previous='{}'; found=''; armed='{armed}'; activate",
        all.new.version(),
        all.old.version()
    )
}

async fn activate(world: &World, answer: crate::engine::testing::Answer) -> StepEnded {
    world.step(Step::Activate, &Transcript::locked().then(line("no", ""), answer)).await
}

fn switched(service: &str, way: Way) -> StepEnded {
    let ways = vec![ServiceWay { service: service.parse().unwrap(), way }];
    StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { ways, risks: Vec::new() })))
}

fn refused(reason: &str) -> StepEnded {
    StepEnded::Activate(Ok(Activated::Refused { reason: reason.to_owned() }))
}

#[tokio::test]
async fn a_host_that_was_switched_and_reloaded_is_told_so() {
    assert_eq!(activate(&nginx(), ok(ACTIVATED)).await, switched("nginx", Way::Reload));
    assert_eq!(activate(&envoy(), ok(ACTIVATED)).await, switched("envoy", Way::Sds));
}

#[tokio::test]
async fn a_switch_that_a_reboot_would_end_is_a_risk_of_the_host() {
    let said = format!("certwave:ends-at-reboot mkdir: Not a directory\n{ACTIVATED}");
    let ended = activate(&nginx(), ok(&said)).await;
    let StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { risks, .. }))) = ended else {
        panic!("it was not switched");
    };
    assert_eq!(risks.len(), 1, "{risks:?}");
    assert_eq!(risks[0].risk, "switch_ends_at_reboot");
    assert!(
        risks[0].text.ends_with("put the previous certificate back: mkdir: Not a directory"),
        "{risks:?}"
    );
}

#[tokio::test]
async fn a_switch_is_armed_with_what_it_puts_back_unless_that_was_revoked() {
    let all = certificates();
    let mut world = nginx();
    world.host_mut().dead_man = Some(Duration::from_secs(220));
    let armed = format!(
        "target='\\''{}'\\''; version='\\''{}'\\''; until='\\''{}'\\''; seconds='\\''220'\\''; ",
        all.new.version(),
        all.old.version(),
        all.old.not_after().as_second()
    );
    let transcript = Transcript::locked().then(line("no", &armed), ok(ACTIVATED));
    world.step(Step::Activate, &transcript).await;
    world.known.previous.as_mut().unwrap().revoked = true;
    let ended = activate(&world, ok(ACTIVATED)).await;
    assert_eq!(ended, switched("nginx", Way::Reload));
}

#[tokio::test]
async fn what_was_staged_a_moment_ago_is_not_compared_once_more() {
    let world = nginx();
    let transcript = Transcript::locked()
        .then("task take …; stage < … B", ok("certwave:result staged\n\n"))
        .then(line("yes", ""), ok(ACTIVATED))
        // What was made ready was used.
        .then(line("no", ""), ok(ACTIVATED));
    let fleet = world.fleet(&transcript);
    for step in [Step::Stage, Step::Activate, Step::Activate] {
        let ended = fleet.run(HostIndex::new(0), step, world.known.clone()).await;
        assert_eq!(ended.failure(), None);
    }
}

#[tokio::test]
async fn a_server_that_refuses_before_it_was_reloaded_is_refused_where_the_link_is_back() {
    let said = format!("{OUTPUT}certwave:result refused 1 yes no\n");
    let reason = format!("nginx refused the configuration: {WORDS}");
    assert_eq!(activate(&nginx(), ended(1, &said, "")).await, refused(&reason));
    let broken = said.replace("yes no", "yes yes");
    let reason = format!("nginx's configuration was already broken before the switch: {WORDS}");
    assert_eq!(activate(&nginx(), ended(1, &broken, "")).await, refused(&reason));
}

#[tokio::test]
async fn a_refusal_with_the_link_where_it_was_switched_to_is_a_failure() {
    let said = format!("{OUTPUT}certwave:result refused 1 no no\n");
    let ended = activate(&nginx(), ended(1, &said, "")).await;
    assert_eq!(failure_of(&ended), failed(&format!("nginx refused the configuration: {WORDS}")));
}

#[tokio::test]
async fn a_refusal_is_a_failure_where_a_server_follows_the_link() {
    // It served the new certificate for a moment.
    let said = format!("{OUTPUT}certwave:result refused 1 yes no\n");
    let ended = activate(&envoy(), ended(1, &said, "")).await;
    assert_eq!(failure_of(&ended), failed(&format!("envoy refused the configuration: {WORDS}")));
}

#[tokio::test]
async fn a_reload_that_is_not_confirmed_is_a_failure() {
    let said = format!("{OUTPUT}certwave:result reload-failed 1\n");
    let ended = activate(&nginx(), ended(1, &said, "")).await;
    assert_eq!(failure_of(&ended), failed(&format!("nginx did not reload: {WORDS}")));
}

#[tokio::test]
async fn a_failed_reload_is_told_with_what_the_servers_log_says_besides() {
    let said = format!("{OUTPUT}certwave:result reload-failed 1\n");
    let known = WORDS.split(" | ").next().unwrap();
    let logged = format!(
        "certwave:begin words 1\n|{known}\n|worker exited\ncertwave:end words 1\ncertwave:result told\n"
    );
    let transcript = Transcript::locked()
        .then(line("no", ""), ended(1, &said, ""))
        .then("task run own_words", ok(&logged));
    let ended = nginx().step(Step::Activate, &transcript).await;
    let reason = format!("nginx did not reload: {WORDS}; the log of nginx since the switch: `worker exited`");
    assert_eq!(failure_of(&ended), failed(&reason));
}

#[tokio::test]
async fn what_goes_wrong_before_the_switch_is_a_refusal() {
    for (said, reason) in [
        (
            "certwave:error moved 20261001T021255Z-febeef07\n",
            "another version became live since the host was inspected: `20261001T021255Z-febeef07`",
        ),
        (
            "certwave:reason its process did not start\ncertwave:error unarmed /etc/certwave/.dead-man.a.test\n",
            "the dead-man switch `/etc/certwave/.dead-man.a.test` could not be armed: its process did not start",
        ),
        (
            "certwave:error occupied /etc/ssl/a.key\n",
            "`/etc/ssl/a.key` is not what the live version holds, and cannot be kept: move it away, then roll out again",
        ),
    ] {
        assert_eq!(activate(&nginx(), ended(1, said, "")).await, refused(reason));
    }
}

#[tokio::test]
async fn an_activation_that_broke_off_is_in_doubt() {
    let ended_early = activate(&nginx(), ended(143, "", "Terminated\n")).await;
    let reason = "the script ended with status 143 before it was finished: Terminated";
    assert_eq!(failure_of(&ended_early), in_doubt(reason));
    let unheard = activate(&nginx(), maybe_sent("the connection was reset")).await;
    assert_eq!(failure_of(&unheard), in_doubt("the connection was reset"));
}

#[tokio::test]
async fn a_shell_that_had_ended_before_it_was_asked_leaves_the_host_unreachable_and_the_next_step_connects_anew()
 {
    let world = nginx();
    let gone = not_sent(RemoteErrorKind::Unreachable, "the connection was lost");
    let transcript = Transcript::locked()
        .then(line("no", ""), gone)
        .then("connect", ok(""))
        .then("hold", ok("certwave:locked"))
        .then(line("no", ""), ok(ACTIVATED));
    let fleet = world.fleet(&transcript);
    let first = fleet.run(HostIndex::new(0), Step::Activate, world.known.clone()).await;
    assert!(failure_of(&first).is_disconnected());
    let second = fleet.run(HostIndex::new(0), Step::Activate, world.known.clone()).await;
    assert_eq!(second, switched("nginx", Way::Reload));
}

#[tokio::test]
async fn nothing_is_watched_where_nothing_answers_tls() {
    let world = nginx().showing(&[not_tls()]);
    let transcript = Transcript::locked().then(line("no", ""), ok(ACTIVATED));
    let fleet = world.fleet(&transcript);
    fleet.run(HostIndex::new(0), Step::Activate, world.known.clone()).await;
    let all = certificates();
    world.handshakes.shows(World::PLACE, &[all.shown(&all.new)]);
    let StepEnded::Verify(Ok(verified)) =
        fleet.run(HostIndex::new(0), Step::Verify, world.known.clone()).await
    else {
        panic!()
    };
    assert_eq!(verified, crate::rollout::Verified::Proven(crate::rollout::Proven::default()));
}
