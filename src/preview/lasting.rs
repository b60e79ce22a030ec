//! What outlives a switch: connections that its reload meets, and files that belong to the certificate before.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::Leaf;
use crate::install::{Beside, BesideKind};
use crate::plan::HostPlan;
use crate::preview::seen::{SeenHost, SeenReads};
use crate::service::Way;

/// The first nginx that keeps idle connections for a while where `keepalive_min_timeout` says so.
const KEEPS_IDLE: [u32; 3] = [1, 27, 4];

/// What outlives a switch, and that a careful person should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "risk", rename_all = "snake_case")]
pub enum Lasting {
    /// What clients have open at a reload is cut later, when nobody watches any more.
    CutLater {
        /// Which server.
        service: String,
        /// Its setting.
        setting: String,
        /// So long after the reload.
        after: String,
    },
    /// A reload closes idle connections, and loses a request that crosses that; the server has a setting against it.
    IdleClosed {
        /// Which server.
        service: String,
        /// The setting.
        remedy: String,
    },
    /// A reload ends its clients' sessions; the server has a setting against it.
    SessionsEnded {
        /// Which server.
        service: String,
        /// The setting.
        remedy: String,
    },
    /// An endpoint staples an OCSP answer that is of no use with its certificate.
    StapleUnfit {
        /// By which service, and where.
        endpoint: String,
        /// What is wrong, in words.
        reason: String,
    },
    /// An endpoint stapled an OCSP answer before the switch, and staples none since.
    StapleLost {
        /// By which service, and where.
        endpoint: String,
    },
    /// Processes of a server still serve the certificate from before, to connections that were open.
    OldWorkers {
        /// Which server.
        service: String,
        /// How many.
        count: u32,
    },
    /// A server reads a file that belongs to the certificate before, and that the rollout does not replace.
    Beside {
        /// Which server.
        service: String,
        /// What is in it.
        kind: BesideKind,
        /// Its path.
        path: String,
    },
}

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lasting::CutLater { service, setting, after } => write!(
                f,
                "{service} cuts what clients still have open {after} after the reload (`{setting}`): downloads, WebSockets"
            ),
            Lasting::IdleClosed { service, remedy } => write!(
                f,
                "a reload of {service} closes idle connections, and a request that crosses that is lost: set `{remedy}`"
            ),
            Lasting::SessionsEnded { service, remedy } => {
                write!(f, "a reload of {service} ends the sessions of its clients: set `{remedy}`")
            }
            Lasting::StapleUnfit { endpoint, reason } => {
                write!(
                    f,
                    "{endpoint}: the OCSP answer that is stapled {reason}: clients may refuse the certificate"
                )
            }
            Lasting::StapleLost { endpoint } => {
                write!(f, "{endpoint}: an OCSP answer was stapled before the switch, and none is since")
            }
            Lasting::OldWorkers { service, count } => {
                let (workers, serve) = if *count == 1 { ("worker", "serves") } else { ("workers", "serve") };
                write!(
                    f,
                    "{service}: {count} old {workers} still {serve} the certificate from before, to connections that were open"
                )
            }
            Lasting::Beside { service, kind, path } => match kind {
                BesideKind::Ocsp => write!(
                    f,
                    "the OCSP answer in `{path}` ({service}) is for the certificate before: replace it"
                ),
                BesideKind::Sctl => write!(
                    f,
                    "the timestamps (SCTs) in `{path}` ({service}) are for the certificate before: replace them"
                ),
                BesideKind::Issuer => write!(f, "the issuer in `{path}` ({service}) changes: replace it"),
            },
        }
    }
}

/// The risks of a host that concern what clients have open, and what servers read beside certificates. `next` are the
/// leaves that would be rolled out.
pub(super) fn lasting(plan: &HostPlan, host: &SeenHost, next: &[Leaf], now: Timestamp) -> Vec<Lasting> {
    let reloads = |reads: &&SeenReads| {
        let known = host.ways.iter().find(|one| one.service == reads.service).map(|one| one.way);
        let service = plan.services.iter().find(|service| service.name == reads.service);
        known.or_else(|| service.map(|service| service.spec.way(None))) == Some(Way::Reload)
    };
    let reloaded = host.reads.iter().filter(reloads).flat_map(connection_risks);
    let beside = host.reads.iter().flat_map(|reads| {
        let stale = reads.beside.iter().filter(|beside| is_stale(beside, &host.on_disk, next));
        stale.map(|beside| Lasting::Beside {
            service: reads.service.to_string(),
            kind: beside.kind,
            path: beside.path.clone(),
        })
    });
    let unfit = host.served.iter().filter_map(|served| {
        let endpoint = format!("{} at {}", served.service, served.endpoint);
        let reason = served.staple?.problem(now)?;
        Some(Lasting::StapleUnfit { endpoint, reason })
    });
    reloaded.chain(beside).chain(unfit).collect()
}

/// What a reload does to connections that are open, by the server's configuration.
fn connection_risks(reads: &SeenReads) -> Vec<Lasting> {
    let service = || reads.service.to_string();
    let said = |name: &str| reads.settings.get(name).map(String::as_str);
    let mut risks = Vec::new();
    for setting in ["worker_shutdown_timeout", "hard-stop-after"] {
        if let Some(after) = said(setting).filter(|after| !is_zero(after)) {
            let (setting, after) = (setting.to_owned(), after.to_owned());
            risks.push(Lasting::CutLater { service: service(), setting, after });
        }
    }
    let keeps_none = said("keepalive_timeout").is_some_and(is_zero);
    let asked = said("keepalive_min_timeout").is_some_and(|time| !is_zero(time));
    if said("version").is_some_and(keeps_idle) && !keeps_none && !asked {
        risks.push(Lasting::IdleClosed { service: service(), remedy: "keepalive_min_timeout".to_owned() });
    }
    if said("idle-closed").is_some() {
        risks.push(Lasting::IdleClosed {
            service: service(),
            remedy: "option idle-close-on-response".to_owned(),
        });
    }
    if said("shutdown_clients") == Some("yes") {
        risks.push(Lasting::SessionsEnded { service: service(), remedy: "shutdown_clients = no".to_owned() });
    }
    risks
}

/// `0`, `0s`, `0ms`: for ever.
fn is_zero(time: &str) -> bool {
    time.trim_end_matches(|unit: char| unit.is_ascii_alphabetic()).parse() == Ok(0)
}

fn keeps_idle(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
    version >= KEEPS_IDLE
}

/// The file of an issuer is right for as long as the issuer stays.
fn is_stale(beside: &Beside, on_disk: &[Leaf], next: &[Leaf]) -> bool {
    match beside.kind {
        BesideKind::Ocsp | BesideKind::Sctl => true,
        BesideKind::Issuer => {
            let same = |leaf: &Leaf| on_disk.iter().any(|before| before.issuer == leaf.issuer);
            !next.is_empty() && !next.iter().all(same)
        }
    }
}
