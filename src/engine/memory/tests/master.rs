//! A reload by HAProxy's master, where its memory cannot be changed.

use std::time::Duration;

use super::haproxy::{NAME, SOCKET, settings, world};
use super::{ready, take};
use crate::engine::testing::{Transcript, World, not_sent, ok};
use crate::ports::RemoteErrorKind;
use crate::service::Haproxy;

const MASTER: &str = "/run/haproxy-master.sock";

fn processes(worker: u32, failed: u32) -> String {
    format!(
        "#<PID>          <type>          <reloads>       <uptime>        <version>      \n\
         29110           master          2 [failed: {failed}]   0d00h01m14s     2.6.12-1+deb12u4\n# workers\n\
         {worker}            worker          1               0d00h00m01s     2.6.12-1+deb12u4\n# programs\n\n"
    )
}

/// The master is asked for its processes, and then to reload.
fn reload(answer: &str) -> Transcript {
    look(29113, 0).socket(MASTER, "reload\n", answer)
}

fn look(worker: u32, failed: u32) -> Transcript {
    Transcript::new().socket(MASTER, "show proc\n", &processes(worker, failed))
}

/// A worker tells of itself, or does not.
fn works(worker: u32, answer: &str) -> Transcript {
    Transcript::new().socket(MASTER, &format!("@!{worker} show info\n"), answer)
}

/// The reload is over, and the new worker answers.
fn renewed() -> Transcript {
    look(1937, 0).and(works(1937, "Name: HAProxy\nPid: 1937\n\n"))
}

/// While it replaces itself nobody answers.
fn away() -> Transcript {
    let refused = not_sent(RemoteErrorKind::Protocol, "connection refused");
    let relayed = not_sent(RemoteErrorKind::Protocol, "connection refused");
    Transcript::new().then(format!("socket {MASTER}"), refused).then(format!("exec …{MASTER}…"), relayed)
}

fn without_api() -> World {
    world(settings(&[]))
}

#[tokio::test]
async fn a_reload_is_over_when_every_worker_is_another_one() {
    let said = reload("").and(look(29113, 0)).and(away()).and(renewed());
    assert_eq!(take(&without_api(), said).await, Ok(()));
}

#[tokio::test]
async fn a_reload_that_the_master_counts_as_failed_is_one() {
    let reason = take(&without_api(), reload("").and(look(29113, 1))).await.unwrap_err();
    assert!(reason.ends_with("the master counts a failed reload; the old worker keeps serving"), "{reason}");
}

#[tokio::test]
async fn what_later_versions_say_of_a_reload_is_believed() {
    assert_eq!(take(&without_api(), reload("Success=1\n--\n").and(renewed())).await, Ok(()));
    let failed =
        "Success=0\n--\n[NOTICE]   (1) : haproxy version is 3.0.11\n[ALERT]    (1) : config : broken\n";
    let reason = take(&without_api(), reload(failed)).await.unwrap_err();
    assert_eq!(reason, "haproxy did not take the certificate: [ALERT]    (1) : config : broken");
}

/// 2.6.12 that may start no threads: it says that it loaded, and the old worker keeps serving.
#[tokio::test]
async fn a_new_worker_that_does_not_work_has_not_taken_anything() {
    let mut world = without_api();
    world.host_mut().timeout = Duration::from_millis(100);
    let dead = "Can't find the target PID matching the prefix '@!1937'\n\n";
    for said in ["", "Success=1\n--\n"] {
        let said = reload(said).and(look(1937, 0)).and(works(1937, dead));
        let reason = take(&world, said.and(look(1937, 0)).and(works(1937, ""))).await.unwrap_err();
        assert!(reason.ends_with("but its new worker did not answer within 0 s"), "{reason}");
    }
    // One that takes its time is waited for.
    let slow = reload("").and(look(1937, 0)).and(works(1937, "")).and(renewed());
    assert_eq!(take(&world, slow).await, Ok(()));
}

#[tokio::test]
async fn a_reload_that_never_ends_is_given_up() {
    let mut world = without_api();
    world.host_mut().timeout = Duration::from_secs(1);
    let said = (0..11).fold(reload(""), |said, _| said.and(look(29113, 0)));
    let reason = take(&world, said).await.unwrap_err();
    assert!(reason.ends_with("the master did not reload within 1 s"), "{reason}");
    assert_eq!(world.clock.passed(), Duration::from_secs(1));
}

#[tokio::test]
async fn a_certificate_that_is_too_long_for_the_buffer_is_reloaded() {
    // The socket is told nothing, and need not let anybody change a certificate.
    let world = world(Haproxy { bufsize: 2_048, ..settings(&[SOCKET]) });
    assert_eq!(take(&world, reload("Success=1\n--\n").and(renewed())).await, Ok(()));
    let list = Transcript::new().socket(SOCKET, "show ssl crt-list\n", "Permission denied\n\n").socket(
        SOCKET,
        "show ssl cert\n",
        &format!("# filename\n{NAME}\n\n"),
    );
    assert_eq!(ready(&world, list.and(look(29113, 0))).await, Ok(()));
}

#[tokio::test]
async fn a_master_that_is_none_is_found_before_anything_is_changed() {
    let other =
        "Unknown command, but maybe one of the following ones is a better match:\n  help [<command>]\n\n";
    let said = Transcript::new().socket(MASTER, "show proc\n", other);
    let reason = ready(&without_api(), said).await.unwrap_err();
    assert!(reason.ends_with("`/run/haproxy-master.sock` is not the socket of a master process"), "{reason}");
    assert_eq!(ready(&without_api(), look(29113, 0)).await, Ok(()));
}

#[tokio::test]
async fn a_socket_that_the_login_may_not_open_is_asked_through_the_hosts_own_tools() {
    let mut world = without_api();
    world.host_mut().login.become_user = Some("haproxy".to_owned());
    let refused = not_sent(RemoteErrorKind::Protocol, "open failed");
    let said = Transcript::new()
        .then(format!("socket {MASTER}"), refused)
        .then(format!("exec exec sudo -n -u 'haproxy' -- sh -c …{MASTER}… < 10 B"), ok(&processes(29113, 0)));
    assert_eq!(ready(&world, said).await, Ok(()));
}
