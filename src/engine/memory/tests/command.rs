//! An HAProxy that is reloaded by a command, where its memory cannot be changed.

use super::haproxy::{NAME, SOCKET, one, settings, to, world};
use super::{take, take_by};
use crate::certificate::KeyAlgorithm;
use crate::engine::testing::{Transcript, World, certificates, ended, maybe_sent, not_sent, ok};
use crate::install::{FileName, FilePart};
use crate::ports::RemoteErrorKind;
use crate::service::{Haproxy, HaproxyCertificate, HaproxyReload, Way};

const ASKED: &str = "exec …command='systemctl reload haproxy'…";

fn by_command(haproxy: Haproxy) -> World {
    let reload = HaproxyReload::Command("systemctl reload haproxy".to_owned());
    world(Haproxy { reload, ..haproxy })
}

/// Its certificate is too long for its buffer.
fn short_of_room() -> World {
    by_command(Haproxy { bufsize: 2_048, ..settings(&[SOCKET]) })
}

#[tokio::test]
async fn a_command_that_the_script_ran_is_not_run_again() {
    assert_eq!(take(&by_command(settings(&[])), Transcript::new()).await, Ok(()));
}

#[tokio::test]
async fn a_command_reloads_what_is_too_long_for_the_buffer_and_its_status_is_believed() {
    let after = async |answer| take_by(&short_of_room(), Transcript::new().then(ASKED, answer)).await;
    assert_eq!(after(ok("")).await, Ok(Way::Reload));
    for status in [1, 127, 143] {
        let reason = after(ended(status, "reloaded\n", "no such unit\n")).await.unwrap_err();
        let words = format!("`systemctl reload haproxy` ended with {status}: no such unit");
        assert_eq!(reason, format!("haproxy did not take the certificate: {words}"));
    }
    let reason = after(maybe_sent("the connection was reset")).await.unwrap_err();
    assert!(reason.ends_with("`systemctl reload haproxy` was not heard of again"), "{reason}");
}

#[tokio::test]
async fn one_certificate_of_two_that_is_too_long_has_haproxy_reload() {
    let second = HaproxyCertificate {
        path: format!("/{}", "long/".repeat(250) + "a.pem").parse().unwrap(),
        file: FileName { part: FilePart::Combined, algorithm: Some(KeyAlgorithm::Rsa) },
        alias: None,
    };
    let size = certificates().new.bundles().next().unwrap().combined_pem().size();
    // What is left suffices for the first name, and not for the second.
    let mut both = Haproxy { bufsize: u32::try_from(size).unwrap() + 1_024 + 500, ..settings(&[SOCKET]) };
    for at in [1, 0] {
        let mut haproxy = both.clone();
        haproxy.certificates.insert(at, second.clone());
        let reloaded = take_by(&by_command(haproxy), Transcript::new().then(ASKED, ok(""))).await;
        assert_eq!(reloaded, Ok(Way::Reload));
    }
    // By itself the first is set.
    both.sockets.truncate(1);
    let new = &certificates().new;
    let said = to(SOCKET).list(None, &[NAME]).holding(new).created().committed().holding(new);
    assert_eq!(take_by(&by_command(both), said.0).await, Ok(Way::RuntimeApi));
}

#[tokio::test]
async fn nobody_starts_an_haproxy_that_should_be_running() {
    let refused = || {
        let refused = || not_sent(RemoteErrorKind::Protocol, "connection refused");
        Transcript::new()
            .then(format!("socket {SOCKET}"), refused())
            .then(format!("exec …{SOCKET}…"), refused())
    };
    for world in [one(), by_command(settings(&[SOCKET]))] {
        let reason = take(&world, refused()).await.unwrap_err();
        assert_eq!(reason, "haproxy did not take the certificate: connection refused");
    }
}
