//! The risks of one host, out of what was seen on it.

use jiff::{SignedDuration, Timestamp};

use crate::certificate::Leaf;
use crate::install::{Boots, Guard, Keeper, SudoLog};
use crate::model::DnsName;
use crate::plan::HostPlan;
use crate::preview::lasting::lasting;
use crate::preview::name_risks::name_risks;
use crate::preview::risk::Risk;
use crate::preview::seen::{Missed, Seen, SeenDown, SeenFile, SeenHost, SeenReads, SeenServed};
use crate::renewal::MIN_REMAINING;
use crate::verify::Endpoint;

/// More than this is not the look's own time.
const CLOCK: i64 = 5;

/// The risks of one host. `next` are the leaves that would be rolled out, where they are known already.
pub fn host_risks(plan: &HostPlan, seen: &Seen, next: &[Leaf], now: Timestamp) -> Vec<Risk> {
    match seen {
        Seen::Missed(Missed { reason, unreachable: true }) => vec![Risk::Away { reason: reason.clone() }],
        Seen::Missed(Missed { reason, unreachable: false }) => vec![Risk::Fails { reason: reason.clone() }],
        Seen::Host(host) => risks_of(plan, host, next, now),
    }
}

/// The risks of a host that could be looked at.
pub fn risks_of(plan: &HostPlan, host: &SeenHost, next: &[Leaf], now: Timestamp) -> Vec<Risk> {
    let mut risks: Vec<Risk> =
        host.problems.iter().map(|reason| Risk::Fails { reason: reason.clone() }).collect();
    if host.proven && !host.unconfirmed {
        return risks;
    }
    risks.extend(input_log_risk(host));
    risks.extend(reading_risks(plan, host));
    risks.extend(host.open_keys.iter().map(|path| Risk::KeyOpen { path: path.clone() }));
    if host.clock_ahead.abs() > CLOCK {
        risks.push(Risk::Clock { ahead: host.clock_ahead });
    }
    risks.extend(way_back_risk(host, now));
    if plan.dead_man.is_some() && host.previous.is_some() {
        risks.extend(switch_risk(host));
    }
    if host.unconfirmed {
        risks.push(Risk::Unconfirmed);
        if let Some(guard @ (Guard::Boot | Guard::Nobody)) = host.guard {
            risks.push(Risk::Unguarded { until_boot: guard == Guard::Boot });
        }
    }
    if let Some(undone) = &host.undone {
        risks.push(Risk::Undone { target: undone.target.clone() });
    }
    risks.extend(serving_risks(host));
    risks.extend(name_risks(&host.served));
    let served =
        host.served.iter().filter(|served| !served.elsewhere).filter_map(|served| served.leaf.as_ref());
    risks.extend(served.chain(&host.on_disk).filter_map(|leaf| other_issuer(leaf, next)));
    risks.extend(lasting(plan, host, next, now).into_iter().map(Risk::Lasting));
    risks.sort();
    risks.dedup();
    risks
}

/// Who else would have the private key.
pub(super) fn input_log_risk(host: &SeenHost) -> Option<Risk> {
    match host.input_log {
        SudoLog::Off => None,
        SudoLog::On => Some(Risk::InputLogged),
        SudoLog::Unknown => Some(Risk::InputLogUnknown),
    }
}

/// What may end a dead-man switch before its time.
fn switch_risk(host: &SeenHost) -> Option<Risk> {
    let reason = match (host.keeper?, host.boots) {
        (Keeper::Session, _) => return Some(Risk::SwitchInSession),
        (Keeper::User, _) => "the login is not root",
        (Keeper::None, _) => "systemd does not run the host",
        (Keeper::System, None | Some(Boots::Unit)) => return None,
        (Keeper::System, Some(Boots::Off)) => "`install: boot_unit` is `off`",
        (Keeper::System, Some(Boots::Masked)) => "`certwave-dead-man.service` is masked",
        (Keeper::System, Some(Boots::Unsafe)) => {
            "others than root may write on the way to `install: directory`, `/etc/systemd/system` or `/var/lib`"
        }
        (Keeper::System, Some(Boots::Unwritable)) => "`/etc/systemd/system` or `/var/lib` is read-only",
    };
    Some(Risk::SwitchEndsAtReboot { reason: reason.to_owned() })
}

/// What endpoints serve that they should not, or do not serve.
pub(super) fn serving_risks(host: &SeenHost) -> Vec<Risk> {
    let endpoint = |served: &SeenServed| format!("{} at {}", served.service, served.endpoint);
    // Of dual certificates, one may be new: the place answers with the other.
    let answers_otherwise = |served: &SeenServed| {
        let place = |endpoint: &Endpoint| Endpoint { key: None, ..endpoint.clone() };
        let same = |other: &&SeenServed| place(&other.endpoint) == place(&served.endpoint);
        host.served.iter().filter(same).any(|other| other.leaf.is_some())
    };
    let risk = |served: &SeenServed| match (&served.leaf, &served.reason) {
        (None, Some(_)) if answers_otherwise(served) => None,
        (None, Some(reason)) => {
            let (endpoint, reason) = (endpoint(served), reason.clone());
            Some(match served.demand {
                Some(demand) => Risk::ClientRefused { endpoint, demand, reason },
                None => Risk::NoHandshake { endpoint, reason },
            })
        }
        (Some(leaf), _) if !served.ours => Some(Risk::Foreign {
            endpoint: endpoint(served),
            names: leaf.names.clone(),
            issuer: leaf.issuer.clone(),
        }),
        _ => None,
    };
    let not_running =
        |down: &SeenDown| Risk::NotRunning { service: down.service.to_string(), reason: down.reason.clone() };
    let counts = host.served.iter().filter(|served| !served.elsewhere);
    host.down.iter().map(not_running).chain(counts.filter_map(risk)).collect()
}

/// What servers read, and what they do not.
pub(super) fn reading_risks(plan: &HostPlan, host: &SeenHost) -> Vec<Risk> {
    let mut risks = Vec::new();
    for reads in &host.reads {
        let service = reads.service.to_string();
        if let Some(reason) = &reads.broken {
            risks.push(Risk::Broken { service, reason: reason.clone() });
            continue;
        }
        if reads.files.is_empty() {
            continue;
        }
        if !reads.variable && !reads.files.iter().any(|file| file.ours && !file.is_key) {
            risks.push(Risk::NotNamed { service: service.clone() });
        }
        let services = plan.services.iter().filter(|one| one.name == reads.service);
        for name in services.flat_map(|one| one.names()) {
            let still = |file: &&SeenFile| file.leaf.as_ref().is_some_and(|leaf| covers(leaf, name));
            for file in reads.files.iter().filter(|file| !file.ours).filter(still) {
                let (path, name) = (file.path.clone(), name.to_string());
                risks.push(Risk::StillReads { service: service.clone(), path, name });
            }
        }
    }
    // Only where every server tells what it reads.
    let told = |reads: &SeenReads| reads.broken.is_none() && !reads.variable && !reads.files.is_empty();
    if !host.reads.is_empty() && host.reads.iter().all(told) {
        let named =
            |path: &str| host.reads.iter().flat_map(|reads| &reads.files).any(|file| file.path == path);
        let links = plan.install.links.iter().map(|(path, _)| path.to_string());
        risks.extend(links.filter(|path| !named(path)).map(|path| Risk::LinkNotNamed { path }));
    }
    risks
}

/// Exactly, or by a star for one whole label (RFC 9525, section 6.3).
pub(crate) fn covers(leaf: &Leaf, name: &DnsName) -> bool {
    let parent = name.as_str().split_once('.').map(|(_, parent)| parent);
    leaf.names.iter().any(|one| {
        let one = one.to_ascii_lowercase();
        one == name.as_str() || one.strip_prefix("*.").is_some_and(|rest| Some(rest) == parent)
    })
}

fn way_back_risk(host: &SeenHost, now: Timestamp) -> Option<Risk> {
    let Some(previous) = &host.previous else { return Some(Risk::NoWayBack) };
    let (version, not_after) = (previous.version.clone(), previous.not_after);
    let soon = SignedDuration::try_from(MIN_REMAINING).ok().and_then(|takes| now.checked_add(takes).ok());
    if previous.revoked {
        Some(Risk::WayBackUnfit { version, reason: "was revoked".to_owned() })
    } else if not_after <= now {
        let reason = format!("expired on {}", not_after.strftime("%Y-%m-%d %H:%M:%SZ"));
        Some(Risk::WayBackUnfit { version, reason })
    } else if soon.is_some_and(|soon| not_after <= soon) {
        Some(Risk::WayBackShort { version, not_after })
    } else {
        None
    }
}

/// Of the same kind of key: the other one of dual certificates may well be of another intermediate.
fn other_issuer(served: &Leaf, next: &[Leaf]) -> Option<Risk> {
    let then = next.iter().find(|leaf| leaf.key_type == served.key_type)?;
    let differs = served.issuer != then.issuer;
    differs.then(|| Risk::OtherIssuer { now: served.issuer.clone(), then: then.issuer.clone() })
}
