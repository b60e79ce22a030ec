//! What a careful person should know before a rollout.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::certificate::Leaf;
use crate::install::{Boots, Guard, InstallError, Keeper, SudoLog};
use crate::model::{DnsName, Version, WaveName};
use crate::plan::HostPlan;
use crate::preview::lasting::{Lasting, lasting};
use crate::preview::seen::{Missed, Seen, SeenDown, SeenFile, SeenHost, SeenReads, SeenServed};
use crate::renewal::MIN_REMAINING;
use crate::rollout::Remark;
use crate::verify::Endpoint;

/// More than this is not the look's own time.
const CLOCK: i64 = 5;

/// Something that may go wrong, or would.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "risk", rename_all = "snake_case")]
pub enum Risk {
    /// The host does not answer.
    Away {
        /// Why, in words.
        reason: String,
    },
    /// The host would fail before anything live is changed.
    Fails {
        /// Why, in words.
        reason: String,
    },
    /// sudo keeps what it is sent: the private key would be in its log.
    InputLogged,
    /// The host does not tell whether sudo does.
    InputLogUnknown,
    /// A server does not run.
    NotRunning {
        /// Which.
        service: String,
        /// How that is known, in words.
        reason: String,
    },
    /// A server does not take its configuration as it is.
    Broken {
        /// Which.
        service: String,
        /// Its own words.
        reason: String,
    },
    /// A server reads another file for a name of this certificate: it would go on to do so.
    StillReads {
        /// Which server.
        service: String,
        /// The file.
        path: String,
        /// The name.
        name: String,
    },
    /// A server names no file that the rollout switches.
    NotNamed {
        /// Which server.
        service: String,
    },
    /// A link is kept that no server's configuration names.
    LinkNotNamed {
        /// Its path.
        path: String,
    },
    /// A key that is replaced can be read by everybody: the new one will not be.
    KeyOpen {
        /// Its path.
        path: String,
    },
    /// The host's clock is off: what it writes down is dated wrong, and its dead-man switch may judge wrong what has
    /// expired.
    Clock {
        /// So many seconds ahead; negative: behind.
        ahead: i64,
    },
    /// There is nothing to go back to.
    NoWayBack,
    /// What it would go back to has expired, or was revoked: it would not be put back.
    WayBackUnfit {
        /// Its version.
        version: Version,
        /// Why, in words.
        reason: String,
    },
    /// What it would go back to expires soon.
    WayBackShort {
        /// Its version.
        version: Version,
        /// When.
        not_after: Timestamp,
    },
    /// The dead-man switch would live in the login's session.
    SwitchInSession,
    /// The dead-man switch would not outlive a reboot.
    SwitchEndsAtReboot {
        /// Why, in words.
        reason: String,
    },
    /// The live version was never confirmed.
    Unconfirmed,
    /// Nor will anybody put the one before back: the dead-man switch's process is gone.
    Unguarded {
        /// But for the host's next boot.
        until_boot: bool,
    },
    /// The dead-man switch put something back since the last rollout.
    Undone {
        /// The version that nobody confirmed.
        target: Version,
    },
    /// An endpoint has no handshake to offer now: what it had before cannot be compared.
    NoHandshake {
        /// Where.
        endpoint: String,
        /// Why, in words.
        reason: String,
    },
    /// An endpoint serves a certificate that the rollout does not replace: something else answers there.
    Foreign {
        /// Where.
        endpoint: String,
        /// What it is for.
        names: Vec<String>,
        /// Who signed it.
        issuer: String,
    },
    /// The new certificate does not lead to a root that handshakes are judged by.
    NotTrusted {
        /// OpenSSL's reason.
        reason: String,
    },
    /// Another CA, or another intermediate, than what is served now: clients may not know it.
    OtherIssuer {
        /// Now.
        now: String,
        /// Then.
        then: String,
    },
    /// A wave would stop.
    WaveStops {
        /// Which.
        wave: WaveName,
        /// Why, in words.
        reason: String,
    },
    /// A deadline may be missed where everything takes all its time.
    MayMissDeadline {
        /// Of which wave.
        wave: WaveName,
    },
    /// What is served now may expire before the rollout is over.
    TooLate {
        /// When the first of it expires.
        expires: Timestamp,
        /// When the rollout may be over.
        over: Timestamp,
    },
    /// Something of the certificate before, or of clients' connections, outlives the switch.
    #[serde(untagged)]
    Lasting(Lasting),
}

/// Whether a rollout goes ahead in spite of a risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bar {
    /// It does, and says so at its end.
    Never,
    /// Not to this host, unless a person named it.
    UnlessAccepted,
    /// Not at all.
    Always,
}

impl Risk {
    /// As a rollout keeps it.
    pub fn remark(&self) -> Remark {
        let value = serde_json::to_value(self).unwrap_or_default();
        let risk = value["risk"].as_str().unwrap_or_default().to_owned();
        Remark { risk, text: self.to_string() }
    }

    /// Whether it keeps a rollout from a host.
    pub fn bar(&self) -> Bar {
        match self {
            Risk::Away { .. } | Risk::Fails { .. } | Risk::InputLogged | Risk::NotTrusted { .. } => {
                Bar::Always
            }
            Risk::NotNamed { .. }
            | Risk::NotRunning { .. }
            | Risk::Broken { .. }
            | Risk::NoHandshake { .. }
            | Risk::Foreign { .. } => Bar::UnlessAccepted,
            Risk::InputLogUnknown
            | Risk::StillReads { .. }
            | Risk::LinkNotNamed { .. }
            | Risk::KeyOpen { .. }
            | Risk::Clock { .. }
            | Risk::NoWayBack
            | Risk::WayBackUnfit { .. }
            | Risk::WayBackShort { .. }
            | Risk::SwitchInSession
            | Risk::SwitchEndsAtReboot { .. }
            | Risk::Unconfirmed
            | Risk::Unguarded { .. }
            | Risk::Undone { .. }
            | Risk::OtherIssuer { .. }
            | Risk::Lasting(_)
            | Risk::WaveStops { .. }
            | Risk::MayMissDeadline { .. }
            | Risk::TooLate { .. } => Bar::Never,
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |time: &Timestamp| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        match self {
            Risk::Away { reason } => write!(f, "does not answer: {reason}"),
            Risk::Fails { reason } => write!(f, "would fail before anything live is changed: {reason}"),
            Risk::InputLogged => f.write_str(InstallError::INPUT_LOGGED),
            Risk::InputLogUnknown => f.write_str(
                "does not tell whether sudo logs standard input (`log_input`, `log_stdin`), by which the private key comes",
            ),
            Risk::NotRunning { service, reason } => write!(f, "{service} does not run: {reason}"),
            Risk::Broken { service, reason } => {
                write!(f, "{service} does not take its configuration as it is: {reason}")
            }
            Risk::StillReads { service, path, name } => write!(
                f,
                "{service} reads `{path}` for {name}, which the rollout does not switch: add it to `install: links`"
            ),
            Risk::NotNamed { service } => write!(
                f,
                "{service} names no file that the rollout switches: it would go on to serve what it serves, or would after a restart"
            ),
            Risk::LinkNotNamed { path } => {
                write!(f, "no server's configuration names `{path}`: is the link needed?")
            }
            Risk::KeyOpen { path } => {
                write!(
                    f,
                    "everybody can read the key in `{path}`: only its owner and its group will read the new one"
                )
            }
            Risk::Clock { ahead } => {
                let (seconds, where_) = (ahead.unsigned_abs(), if *ahead > 0 { "ahead" } else { "behind" });
                write!(f, "its clock is {seconds} s {where_}")
            }
            Risk::NoWayBack => f.write_str("has no certificate to go back to"),
            Risk::WayBackUnfit { version, reason } => {
                write!(f, "would not go back to {version}: it {reason}")
            }
            Risk::WayBackShort { version, not_after } => {
                write!(f, "would go back to {version}, which expires on {}", date(not_after))
            }
            Risk::SwitchInSession => f.write_str(
                "its dead-man switch would live in the login's session, and systemd may end it with the login \
                 (`KillUserProcesses=yes`) or at a reboot: nobody would put the previous certificate back; use \
                 `ansible_become`, or type `loginctl enable-linger USER` on the host",
            ),
            Risk::SwitchEndsAtReboot { reason } => write!(
                f,
                "its dead-man switch would end at a reboot, and nobody would put the previous certificate back: {reason}"
            ),
            Risk::Unconfirmed => f.write_str("has a live version that was never confirmed"),
            Risk::Unguarded { until_boot } => write!(
                f,
                "nobody puts the previous certificate back{}: the process of its dead-man switch is gone; `certwave resume` \
                 confirms the live version or goes back",
                if *until_boot { " before its next boot" } else { "" }
            ),
            Risk::Undone { target } => {
                write!(f, "went back by itself from {target}, which nobody had confirmed")
            }
            Risk::NoHandshake { endpoint, reason } => {
                write!(f, "{endpoint}: TLS handshake fails now: {reason}")
            }
            Risk::Foreign { endpoint, names, issuer } => write!(
                f,
                "{endpoint}: another certificate is served, for {} by `{issuer}`, which this rollout does not replace; check the \
                 server's configuration, `verify`, or for a proxy in front",
                names.join(", ")
            ),
            Risk::NotTrusted { reason } => write!(
                f,
                "the new certificate is not trusted: {reason}; name its CA's root in `verify: ca_file`"
            ),
            Risk::OtherIssuer { now, then } => {
                write!(f, "serves a certificate of `{now}` now, and would one of `{then}`: soak longer")
            }
            Risk::Lasting(lasting) => lasting.fmt(f),
            Risk::WaveStops { wave, reason } => write!(f, "wave `{wave}` would stop: {reason}"),
            Risk::MayMissDeadline { wave } => {
                write!(f, "wave `{wave}` may miss its deadline where everything takes all its time")
            }
            Risk::TooLate { expires, over } => write!(
                f,
                "what is served now begins to expire on {}, and the rollout may take until {}",
                date(expires),
                date(over)
            ),
        }
    }
}

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
    let served = host.served.iter().filter_map(|served| served.leaf.as_ref());
    risks.extend(served.chain(&host.on_disk).filter_map(|leaf| other_issuer(leaf, next)));
    risks.extend(lasting(plan, host, next).into_iter().map(Risk::Lasting));
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
            Some(Risk::NoHandshake { endpoint: endpoint(served), reason: reason.clone() })
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
    host.down.iter().map(not_running).chain(host.served.iter().filter_map(risk)).collect()
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
        let names = plan.services.iter().filter(|one| one.name == reads.service);
        for name in names.flat_map(|one| &one.endpoints).map(|endpoint| &endpoint.server_name) {
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
