//! Whether Envoy took what it read from the disk, by its admin interface.

use std::time::Duration;

use super::{ready, take, take_by};
use crate::certificate::CertificateSet;
use crate::engine::testing::{self, Transcript, World, certificates, ended, not_sent, ok};
use crate::ports::RemoteErrorKind;
use crate::service::{Envoy, EnvoySecret, ServiceSpec, Way};

const ADMIN: &str = "tunnel 127.0.0.1:9901";
const SDS: &str = "exec …path='/etc/envoy/sds.yaml'…";

fn settings() -> Envoy {
    testing::envoy(Some("127.0.0.1:9901".parse().unwrap()))
}

fn world() -> World {
    World::of(ServiceSpec::Envoy(settings()))
}

/// What the admin interface answers to a path that begins so.
fn admin(path: &str, status: &str, body: &str) -> Transcript {
    let question = format!("{ADMIN}: GET {path}… HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=UTF-8\r\ncache-control: no-cache, max-age=0\r\n\
         x-content-type-options: nosniff\r\ndate: Mon, 30 Nov 2026 02:14:33 GMT\r\nserver: envoy\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    Transcript::new().then(question, ok(&format!("{head}{body}")))
}

fn counters(rotation_failed: u32, failure: u32, rejected: u32) -> Transcript {
    counters_of("server_cert", rotation_failed, failure, rejected)
}

fn counters_of(secret: &str, rotation_failed: u32, failure: u32, rejected: u32) -> Transcript {
    let body = format!(
        "sds.{secret}.version_text: \"\"\nsds.{secret}.init_fetch_timeout: 0\n\
         sds.{secret}.key_rotation_failed: {rotation_failed}\nsds.{secret}.update_attempt: 1\n\
         sds.{secret}.update_failure: {failure}\nsds.{secret}.update_rejected: {rejected}\n\
         sds.{secret}.update_success: 1\nsds.{secret}.update_time: 1796004835454\n\
         sds.{secret}.version: 17241709254077376921\nsds.{secret}.update_duration: No recorded values\n"
    );
    admin(&format!("/stats?filter=%5Esds%5C.{secret}%5C."), "200 OK", &body)
}

/// A dump of secrets, each with what it holds.
fn secrets(all: &[(&str, &CertificateSet)]) -> Transcript {
    let one = |(name, set): &(&str, &CertificateSet)| {
        let chain = openssl::base64::encode_block(&set.bundles().next().unwrap().fullchain_pem());
        format!(
            r#"  {{
   "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.DynamicSecret",
   "name": "{name}",
   "last_updated": "2026-11-30T02:14:33.757Z",
   "secret": {{
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    "name": "{name}",
    "tls_certificate": {{
     "certificate_chain": {{
      "inline_bytes": "{chain}"
     }},
     "private_key": {{
      "inline_bytes": "W3JlZGFjdGVkXQ=="
     }},
     "watched_directory": {{
      "path": "/etc/certwave/live"
     }}
    }}
   }}
  }}"#
        )
    };
    let all: Vec<String> = all.iter().map(one).collect();
    let body = format!("{{\n \"configs\": [\n{}\n ]\n}}\n", all.join(",\n"));
    admin("/config_dump?resource=dynamic_active_secrets", "200 OK", &body)
}

fn holding(set: &CertificateSet) -> Transcript {
    secrets(&[("server_cert", set)])
}

fn sds_file() -> Transcript {
    let envoy = settings();
    Transcript::new().then(SDS, ok(&envoy.sds_text(&envoy.secrets[0])))
}

#[tokio::test]
async fn envoy_that_watches_the_link_and_has_the_secret_is_ready() {
    assert_eq!(ready(&world(), sds_file().and(holding(&certificates().old))).await, Ok(()));
}

#[tokio::test]
async fn an_sds_file_that_would_not_be_read_again_is_told_before_anything_is_changed() {
    let inline = "resources:\n- name: server_cert\n  tls_certificate:\n    certificate_chain: {filename: /etc/ssl/a.crt}\n";
    let reason = ready(&world(), Transcript::new().then(SDS, ok(inline))).await.unwrap_err();
    assert!(
        reason.starts_with("service `envoy` is not ready: `certificate_chain` of secret `server_cert`"),
        "{reason}"
    );
    assert!(reason.contains("does not watch `/etc/certwave/live`"), "{reason}");
}

#[tokio::test]
async fn an_sds_file_that_is_not_there_yet_is_written_with_the_switch() {
    assert_eq!(ready(&world(), Transcript::new().then(SDS, ended(66, "", ""))).await, Ok(()));
}

#[tokio::test]
async fn a_secret_that_envoy_does_not_have_is_told() {
    for name in ["other", "server_cert2", "my_server_cert"] {
        let said = sds_file().and(secrets(&[(name, &certificates().old)]));
        let reason = ready(&world(), said).await.unwrap_err();
        assert!(reason.contains("Envoy at 127.0.0.1:9901 has no active secret `server_cert`"), "{reason}");
    }
}

#[tokio::test]
async fn an_admin_interface_that_does_not_answer_is_told() {
    let refused = Transcript::new().then(ADMIN, not_sent(RemoteErrorKind::Protocol, "connection refused"));
    let reason = ready(&world(), sds_file().and(refused)).await.unwrap_err();
    assert_eq!(reason, "service `envoy` is not ready: Envoy's admin interface: connection refused");
    for status in ["403 Forbidden", "503 Service Unavailable", "301 Moved Permanently"] {
        let reason = ready(&world(), sds_file().and(admin("/config_dump", status, ""))).await.unwrap_err();
        let words = format!("`/config_dump?resource=dynamic_active_secrets` was answered with {status}");
        assert!(reason.ends_with(&words), "{reason}");
    }
}

#[tokio::test]
async fn envoy_took_the_certificate_when_it_shows_it() {
    let all = certificates();
    let world = world();
    let said = counters(0, 0, 0)
        .and(counters(0, 0, 0).and(holding(&all.old)))
        .and(counters(0, 0, 0).and(holding(&all.new)));
    assert_eq!(take_by(&world, said).await, Ok(Way::Sds));
    assert_eq!(world.clock.passed(), Duration::from_millis(50));
}

#[tokio::test]
async fn a_rejection_fails_the_host_though_the_refused_certificate_is_shown() {
    let new = &certificates().new;
    for (rejected, words) in [
        (counters(1, 0, 0), "it could not load certificate and key"),
        (counters(0, 1, 0), "it could not read the SDS file"),
        (counters(0, 0, 1), "it refused the secret"),
    ] {
        let reason = take(&world(), counters(0, 0, 0).and(rejected)).await.unwrap_err();
        let expected = format!("envoy did not take the certificate: secret `server_cert`: {words}");
        assert!(reason.starts_with(&expected), "{reason}");
    }
    // Not only at once.
    let said =
        counters(0, 0, 0).and(counters(0, 0, 0).and(holding(&certificates().old))).and(counters(1, 0, 0));
    assert!(take(&world(), said).await.is_err());
    // Those from before do not count.
    assert_eq!(take(&world(), counters(2, 1, 1).and(counters(2, 1, 1)).and(holding(new))).await, Ok(()));
}

#[tokio::test]
async fn of_two_secrets_each_has_to_be_taken() {
    let all = certificates();
    let mut both = settings();
    let second = EnvoySecret {
        sds: "/etc/envoy/rsa.yaml".parse().unwrap(),
        name: "rsa_cert".to_owned(),
        ..both.secrets[0].clone()
    };
    both.secrets.push(second);
    let world = World::of(ServiceSpec::Envoy(both));
    let quiet = || counters(0, 0, 0).and(counters_of("rsa_cert", 0, 0, 0));
    let shown = |first, second| secrets(&[("server_cert", first), ("rsa_cert", second)]);
    let slow = quiet()
        .and(quiet().and(shown(&all.new, &all.old)))
        .and(quiet().and(shown(&all.old, &all.new)))
        .and(quiet().and(shown(&all.new, &all.new)));
    assert_eq!(take(&world, slow).await, Ok(()));
    let refused = quiet().and(counters(0, 0, 0)).and(counters_of("rsa_cert", 1, 0, 0));
    let reason = take(&world, refused).await.unwrap_err();
    assert!(reason.contains("secret `rsa_cert`: it could not load certificate and key"), "{reason}");
}

#[tokio::test]
async fn an_admin_interface_that_ends_in_the_middle_has_taken_nothing() {
    // What counts before the switch is zero where nobody says it.
    let broken = || admin("/stats", "500 Internal Server Error", "");
    let reason = take(&world(), broken().and(broken())).await.unwrap_err();
    assert!(reason.contains("was answered with 500 Internal Server Error"), "{reason}");
    let new = &certificates().new;
    assert_eq!(take(&world(), broken().and(counters(0, 0, 0)).and(holding(new))).await, Ok(()));
}

#[tokio::test]
async fn envoy_that_does_not_change_in_time_fails_the_host() {
    let mut world = world();
    world.host_mut().timeout = Duration::from_secs(1);
    let look = || counters(0, 0, 0).and(holding(&certificates().old));
    let said = (0..21).fold(counters(0, 0, 0), |said, _| said.and(look()));
    let reason = take(&world, said).await.unwrap_err();
    assert!(
        reason.ends_with(
            "secret `server_cert` did not change within 1 s: `127.0.0.1:9901` shows another certificate"
        ),
        "{reason}"
    );
    assert_eq!(world.clock.passed(), Duration::from_secs(1));
}

#[tokio::test]
async fn without_an_admin_interface_handshakes_alone_tell() {
    let world = World::of(ServiceSpec::Envoy(Envoy { admin: None, ..settings() }));
    assert_eq!(ready(&world, sds_file()).await, Ok(()));
    assert_eq!(take(&world, Transcript::new()).await, Ok(()));
}
