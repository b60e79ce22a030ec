//! What a plan knows of a host, a rollout that goes ahead repeats at its end, unless it says why not.

use super::*;
use crate::install::BesideKind;
use crate::preview::{Bar, Lasting, Risk, told};

/// One of each kind after another: the compiler asks for one that is missing.
fn next(risk: Option<&Risk>) -> Option<Risk> {
    let (service, path, reason) = ("nginx".to_owned(), "/a.pem".to_owned(), "no".to_owned());
    let (endpoint, remedy, names) = ("nginx at x".to_owned(), "x".to_owned(), vec!["a.test".to_owned()]);
    Some(match risk {
        None => Risk::Away { reason },
        Some(Risk::Away { .. }) => Risk::Fails { reason },
        Some(Risk::Fails { .. }) => Risk::InputLogged,
        Some(Risk::InputLogged) => Risk::InputLogUnknown,
        Some(Risk::InputLogUnknown) => Risk::NotRunning { service, reason },
        Some(Risk::NotRunning { .. }) => Risk::Broken { service, reason },
        Some(Risk::Broken { .. }) => Risk::StillReads { service, path, name: "a.test".to_owned() },
        Some(Risk::StillReads { .. }) => Risk::NotNamed { service },
        Some(Risk::NotNamed { .. }) => Risk::LinkNotNamed { path },
        Some(Risk::LinkNotNamed { .. }) => Risk::KeyOpen { path },
        Some(Risk::KeyOpen { .. }) => Risk::Clock { ahead: 9 },
        Some(Risk::Clock { .. }) => Risk::NoWayBack,
        Some(Risk::NoWayBack) => Risk::WayBackUnfit { version: version(1), reason },
        Some(Risk::WayBackUnfit { .. }) => Risk::WayBackShort { version: version(1), not_after: start() },
        Some(Risk::WayBackShort { .. }) => Risk::SwitchInSession,
        Some(Risk::SwitchInSession) => Risk::SwitchEndsAtReboot { reason },
        Some(Risk::SwitchEndsAtReboot { .. }) => Risk::Unconfirmed,
        Some(Risk::Unconfirmed) => Risk::Unguarded { until_boot: true },
        Some(Risk::Unguarded { .. }) => Risk::Undone { target: version(1) },
        Some(Risk::Undone { .. }) => Risk::NoHandshake { endpoint, reason },
        Some(Risk::NoHandshake { .. }) => {
            Risk::ClientRefused { endpoint, demand: crate::verify::ClientDemand::AlpnHttp, reason }
        }
        Some(Risk::ClientRefused { .. }) => Risk::RateLimited { endpoint },
        Some(Risk::RateLimited { .. }) => Risk::Foreign { endpoint, names, issuer: "CN=x".to_owned() },
        Some(Risk::Foreign { .. }) => {
            let other = vec!["b.test".parse().unwrap()];
            Risk::NameElsewhere { endpoint, names: other, served: names, issuer: "CN=x".to_owned() }
        }
        Some(Risk::NameElsewhere { .. }) => {
            Risk::NameUnanswered { endpoint, names: vec!["b.test".parse().unwrap()], reason }
        }
        Some(Risk::NameUnanswered { .. }) => Risk::NotTrusted { reason },
        Some(Risk::NotTrusted { .. }) => {
            Risk::OtherIssuer { now: "CN=x".to_owned(), then: "CN=y".to_owned() }
        }
        Some(Risk::OtherIssuer { .. }) => Risk::WaveStops { wave: "all".parse().unwrap(), reason },
        Some(Risk::WaveStops { .. }) => Risk::MayMissDeadline { wave: "all".parse().unwrap() },
        Some(Risk::MayMissDeadline { .. }) => Risk::TooLate { expires: start(), over: start() },
        Some(Risk::TooLate { .. }) => {
            Risk::Lasting(Lasting::CutLater { service, setting: "x".to_owned(), after: "1s".to_owned() })
        }
        Some(Risk::Lasting(lasting)) => Risk::Lasting(match lasting {
            Lasting::CutLater { .. } => Lasting::IdleClosed { service, remedy },
            Lasting::IdleClosed { .. } => Lasting::SessionsEnded { service, remedy },
            Lasting::SessionsEnded { .. } => Lasting::Beside { service, kind: BesideKind::Ocsp, path },
            Lasting::Beside { .. } => Lasting::StapleUnfit { endpoint, reason },
            Lasting::StapleUnfit { .. } => Lasting::StapleLost { endpoint },
            Lasting::StapleLost { .. } => Lasting::OldWorkers { service, count: 1 },
            Lasting::OldWorkers { .. } => return None,
        }),
    })
}

fn all() -> Vec<Risk> {
    let mut all: Vec<Risk> = Vec::new();
    while let Some(one) = next(all.last()) {
        all.push(one);
    }
    all
}

/// The last column of the table in `docs/reference/plan.md` that a risk's row has.
fn documented(id: &str) -> String {
    let page = include_str!("../../../docs/reference/plan.md");
    let mut rows = page.lines().filter(|line| line.starts_with("| `"));
    let of_id = |line: &&str| line.split('|').nth(1).is_some_and(|ids| ids.contains(&format!("`{id}`")));
    let row = rows.find(of_id).unwrap_or_else(|| panic!("`{id}` is not documented"));
    row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap().trim().to_owned()
}

#[test]
fn each_risk_is_refused_or_told_at_the_end_or_is_documented_as_the_plans_alone() {
    let mut plan = plan("");
    for risk in all() {
        let id = risk.remark().risk;
        let words = documented(&id);
        let mut kept = |accepted| {
            let host = plan.hosts.iter_mut().next().unwrap();
            host.accepted = accepted;
            told(host, std::slice::from_ref(&risk)) == [risk.remark()]
        };
        match risk.bar() {
            Bar::Always => {
                assert!(!kept(false) && !kept(true), "{id}");
                assert!(words.contains("refuse") || words.contains("unreachable"), "{id}: {words}");
            }
            Bar::UnlessAccepted => {
                assert!(!kept(false) && kept(true), "{id}");
                assert!(words.starts_with("refused, unless accepted"), "{id}: {words}");
            }
            // They are looked at again after the switch.
            Bar::Never if ["name_elsewhere", "name_unanswered", "staple_unfit"].contains(&id.as_str()) => {
                assert!(!kept(false) && words.contains("told"), "{id}: {words}");
            }
            Bar::Never => {
                assert!(kept(false) && kept(true), "{id}");
                assert!(words.contains("told") || words.contains("plan only"), "{id}: {words}");
            }
        }
    }
}
