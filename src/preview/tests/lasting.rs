//! What outlives a switch: by what a server's configuration says, and by the way in which it takes the certificate.

use super::*;
use crate::install::{Beside, BesideKind};
use crate::preview::{Bar, Lasting, Risk, risks_of};
use crate::service::{ServiceWay, Way};

/// What a host of nginx, HAProxy or a command is told, of which the configuration says so.
fn lasting(
    way: Way,
    settings: &[(&str, &str)],
    beside: &[(BesideKind, &str)],
    next: &[Leaf],
) -> Vec<Lasting> {
    let plan = plan("");
    let mut seen = host(&plan);
    let service = seen.reads[0].service.clone();
    seen.ways = vec![ServiceWay { service, way }];
    let reads = &mut seen.reads[0];
    reads.settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    reads.beside =
        beside.iter().map(|(kind, path)| Beside { kind: *kind, path: (*path).to_owned() }).collect();
    let risks = risks_of(plan.hosts.first().unwrap(), &seen, next, start());
    assert!(risks.iter().all(|risk| risk.bar() == Bar::Never), "{risks:?}");
    let of = |risk: Risk| if let Risk::Lasting(lasting) = risk { Some(lasting) } else { None };
    risks.into_iter().filter_map(of).collect()
}

/// Of a host that is reloaded, in words.
fn told(settings: &[(&str, &str)]) -> Vec<String> {
    lasting(Way::Reload, settings, &[], &[]).iter().map(ToString::to_string).collect()
}

#[test]
fn what_cuts_connections_long_after_a_reload_is_told_with_its_time() {
    let cut = "nginx cuts what clients still have open 30s after the reload";
    assert_eq!(
        told(&[("worker_shutdown_timeout", "30s")]),
        [format!("{cut} (`worker_shutdown_timeout`): downloads, WebSockets")]
    );
    assert_eq!(
        told(&[("hard-stop-after", "30s")]),
        [format!("{cut} (`hard-stop-after`): downloads, WebSockets")]
    );
    // For ever.
    for never in ["0", "0s", "0ms"] {
        assert_eq!(told(&[("worker_shutdown_timeout", never)]), [""; 0], "{never}");
    }
    assert_eq!(told(&[]), [""; 0]);
}

#[test]
fn a_setting_that_keeps_idle_connections_is_recommended_where_the_server_has_it_and_does_not_use_it() {
    let advised =
        |version: &str, more: &[(&str, &str)]| !told(&[&[("version", version)], more].concat()).is_empty();
    for (version, has_it) in [
        ("1.22.1", false),
        ("1.27.3", false),
        ("1.27.4", true),
        ("1.28.0", true),
        ("2.0.0", true),
        ("1.9", false),
    ] {
        assert_eq!(advised(version, &[]), has_it, "{version}");
    }
    assert!(!advised("1.31.3", &[("keepalive_min_timeout", "2s")]));
    assert!(advised("1.31.3", &[("keepalive_min_timeout", "0")]));
    // It keeps no idle connections at all.
    assert!(!advised("1.31.3", &[("keepalive_timeout", "0")]));
    assert!(advised("1.31.3", &[("keepalive_timeout", "65")]));
    for (setting, remedy) in [
        (("version", "1.31.3"), "a request that crosses that is lost: set `keepalive_min_timeout`"),
        (("idle-closed", "www"), "a request that crosses that is lost: set `option idle-close-on-response`"),
        (("shutdown_clients", "yes"), "ends the sessions of its clients: set `shutdown_clients = no`"),
    ] {
        let words = told(&[setting]);
        assert!(words.len() == 1 && words[0].ends_with(remedy), "{words:?}");
    }
}

#[test]
fn what_touches_no_connection_is_told_nothing_about_connections() {
    let settings = [("hard-stop-after", "30s"), ("idle-closed", "www"), ("version", "1.31.3")];
    assert_eq!(lasting(Way::Reload, &settings, &[], &[]).len(), 3);
    for way in [Way::RuntimeApi, Way::Sds] {
        assert_eq!(lasting(way, &settings, &[], &[]), [], "{way}");
    }
}

#[test]
fn files_beside_a_certificate_are_told_in_whatever_way_it_is_taken() {
    use BesideKind::{Issuer, Ocsp, Sctl};
    let same = leaf(2, 9_999_999);
    let other = Leaf { issuer: "CN=two".to_owned(), ..same.clone() };
    for way in [Way::Reload, Way::RuntimeApi] {
        let kinds = |beside: &[(BesideKind, &str)], next: &[Leaf]| {
            let kind = |one: &Lasting| {
                if let Lasting::Beside { kind, .. } = one { *kind } else { panic!("{one:?}") }
            };
            lasting(way, &[], beside, next).iter().map(kind).collect::<Vec<_>>()
        };
        let all = [(Ocsp, "/a.ocsp"), (Sctl, "/a.sctl"), (Issuer, "/a.issuer")];
        assert_eq!(kinds(&all, &[]), [Ocsp, Sctl]);
        assert_eq!(kinds(&all, std::slice::from_ref(&same)), [Ocsp, Sctl]);
        // An issuer that stays is the right one.
        assert_eq!(kinds(&all, std::slice::from_ref(&other)), [Ocsp, Sctl, Issuer]);
        assert_eq!(kinds(&[], std::slice::from_ref(&other)), []);
    }
}

#[test]
fn a_risk_that_lasts_is_kept_under_its_own_id() {
    let (service, remedy) = ("web".to_owned(), "keepalive_min_timeout".to_owned());
    let risk = Risk::Lasting(Lasting::IdleClosed { service, remedy });
    let json = serde_json::to_string(&risk).unwrap();
    assert_eq!(json, r#"{"risk":"idle_closed","service":"web","remedy":"keepalive_min_timeout"}"#);
    assert_eq!(serde_json::from_str::<Risk>(&json).unwrap(), risk);
    assert_eq!(risk.remark().risk, "idle_closed");
}
