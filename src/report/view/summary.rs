//! How a rollout went: a line per host and one sentence.

use jiff::Timestamp;
use serde::Serialize;

use crate::certificate::Leaf;
use crate::inventory::compact;
use crate::model::{CertificateName, HostName, Version, WaveName};
use crate::plan::{HostIndex, PerHost};
use crate::report::view::grouped::grouped;
use crate::report::view::table::table;
use crate::report::words::{count, failure};
use crate::rollout::{HostOutcome, Pause, Remark, RolloutOutcome, WaveFailure};
use crate::verify::EndpointState;

/// So many names or ranges stand before a note.
const NAMED: usize = 5;

/// The certificate that a rollout was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledOut {
    /// Its name in the store.
    pub name: CertificateName,
    /// Which version.
    pub version: Version,
    /// The leaf; of dual certificates the first.
    pub leaf: Leaf,
    /// When it expires; of dual certificates the first to do so.
    pub not_after: Timestamp,
}

/// How one host went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostSummary {
    /// Which.
    pub host: HostName,
    /// Its wave.
    pub wave: WaveName,
    /// How it ended.
    pub outcome: HostOutcome,
    /// What it serves, as last proven; none when nothing was.
    pub state: Option<EndpointState>,
    /// Handshakes that failed while it was switched.
    pub failed_handshakes: u64,
    /// Requests in flight that were cut; none where no request was in flight that could have been.
    pub dropped_connections: Option<u32>,
    /// Idle connections that the server closed; none where none was kept that could have been.
    pub closed_connections: Option<u64>,
    /// From its first step to its last.
    pub seconds: f64,
    /// Why it failed.
    pub error: Option<String>,
    /// When what it serves now expires, where it was left without the new certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaks_at: Option<Timestamp>,
    /// What a careful person should know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Remark>,
    #[serde(skip)]
    pub(in crate::report) handshakes: u64,
    /// Connections that were kept idle.
    #[serde(skip)]
    pub(in crate::report) idle: u64,
    /// It had the certificate before the rollout, and keeps it.
    #[serde(skip)]
    pub(in crate::report) kept: bool,
}

/// How a rollout went.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// In one word; none while it is not finished.
    pub outcome: Option<RolloutOutcome>,
    /// Every host, in the order they go.
    pub hosts: PerHost<HostSummary>,
    /// Why it is paused, where it is.
    pub pause: Option<Pause>,
    /// It was about going back: to an earlier version, or each host to what it had before.
    pub back: bool,
    /// It was about going back, each host to what it had before.
    pub undo: bool,
    /// The wave that failed, and why.
    pub failure: Option<(WaveName, WaveFailure)>,
}

impl Summary {
    /// Whether a wave waits for somebody's word.
    pub fn awaits_approval(&self) -> bool {
        matches!(self.pause, Some(Pause::Approval { .. }))
    }

    /// How many hosts ended so.
    pub fn count(&self, outcome: HostOutcome) -> usize {
        self.hosts.iter().filter(|host| host.outcome == outcome).count()
    }

    /// The table of hosts. Of a large fleet only those that did not change, and a line for the rest.
    pub fn table(&self) -> String {
        const ALL: usize = 60;
        let shown: Vec<&HostSummary> = match self.hosts.len() {
            0..=ALL => self.hosts.iter().collect(),
            _ => self.hosts.iter().filter(|host| host.outcome != HostOutcome::Changed).collect(),
        };
        let header = ["HOST", "WAVE", "OUTCOME", "SERVES", "FAILED HANDSHAKES", "CUT REQUESTS", "SECONDS"];
        let row = |host: &&HostSummary| {
            let serves = match host.state {
                Some(EndpointState::New) if self.back => "restored",
                Some(EndpointState::Previous) if self.back && !self.undo => "as before",
                Some(EndpointState::New) => "new",
                Some(EndpointState::Previous) => "previous",
                Some(_) => "something else",
                None => "-",
            };
            let switched = host.handshakes > 0;
            [
                host.host.to_string(),
                host.wave.to_string(),
                host.outcome.name().replace('_', " "),
                serves.to_owned(),
                if switched {
                    format!("{} of {}", host.failed_handshakes, host.handshakes)
                } else {
                    "-".to_owned()
                },
                host.dropped_connections.map_or("-".to_owned(), |cut| cut.to_string()),
                format!("{:.2}", host.seconds),
            ]
        };
        let left = self.hosts.len() - shown.len();
        let lines = table(&header, shown.iter().map(row));
        if left > 0 { format!("{lines}\n… and {left} more hosts that changed") } else { lines }
    }

    /// What the switch cost: handshakes and requests over all hosts.
    fn cost(&self) -> String {
        let tried: u64 = self.hosts.iter().map(|host| host.handshakes).sum();
        let failed: u64 = self.hosts.iter().map(|host| host.failed_handshakes).sum();
        let watched: Vec<u32> = self.hosts.iter().filter_map(|host| host.dropped_connections).collect();
        if tried == 0 {
            return String::new();
        }
        let idle: u64 = self.hosts.iter().map(|host| host.idle).sum();
        let closed: u64 = self.hosts.iter().filter_map(|host| host.closed_connections).sum();
        let mut all = vec![format!("{failed} of {} failed", count(tried as usize, "handshake"))];
        // Where nothing speaks HTTP, no request was in flight.
        all.extend((!watched.is_empty()).then(|| match watched.iter().sum() {
            1 => "1 request was cut".to_owned(),
            cut => format!("{cut} requests were cut"),
        }));
        all.extend(
            (idle > 0).then(|| format!("{closed} of {} closed", count(idle as usize, "idle connection"))),
        );
        let last = all.pop().unwrap_or_default();
        let noticed = if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) };
        format!("; {noticed} while hosts were switched")
    }

    /// One sentence: what happened.
    pub fn sentence(&self, certificate: &RolledOut) -> String {
        let all = self.hosts.len();
        let name = format!("{} {}", certificate.name, certificate.version);
        let until = certificate.not_after.strftime("%Y-%m-%d");
        let serving = self.count(HostOutcome::Changed) + self.count(HostOutcome::Unchanged);
        let why = || match &self.failure {
            Some((wave, reason)) => format!("wave `{wave}` stopped: {}", failure(reason)),
            // No wave of a rollback stops: every host is tried.
            None => {
                let stuck = self.count(HostOutcome::RollbackFailed);
                let need = if stuck == 1 { "needs" } else { "need" };
                format!("{stuck} of {} {need} a person: not proven back", count(all, "host"))
            }
        };
        let (serve, are) = if all == 1 { ("serves", "is") } else { ("serve", "are") };
        match self.outcome {
            Some(RolloutOutcome::Succeeded) if self.back => format!(
                "{serving} of {} {are} back on {name}, valid until {until}{}",
                count(all, "host"),
                self.cost()
            ),
            Some(RolloutOutcome::Incomplete) if self.back && !self.undo => format!(
                "{serving} of {} {are} back on {name}; the others are named below{}",
                count(all, "host"),
                self.cost()
            ),
            Some(RolloutOutcome::Succeeded) => {
                format!(
                    "{serving} of {} {serve} {name}, valid until {until}{}",
                    count(all, "host"),
                    self.cost()
                )
            }
            Some(RolloutOutcome::Unchanged) => {
                format!("{serving} of {} served {name} before, valid until {until}", count(all, "host"))
            }
            Some(RolloutOutcome::Incomplete) if self.undo => {
                let back = self.count(HostOutcome::RolledBack);
                format!("{back} of {} {are} proven back; the others are named below", count(all, "host"))
            }
            Some(RolloutOutcome::Incomplete) => {
                format!(
                    "{serving} of {} {serve} {name}; the others are named below{}",
                    count(all, "host"),
                    self.cost()
                )
            }
            Some(RolloutOutcome::Paused) => match &self.pause {
                Some(Pause::By { by }) => format!("paused by {by}"),
                Some(Pause::Approval { wave }) => format!("wave `{wave}` waits for an approval"),
                Some(Pause::Inconclusive) | None => "nothing was measured during the soak: paused".to_owned(),
            },
            Some(RolloutOutcome::Interrupted) => "interrupted".to_owned(),
            Some(RolloutOutcome::RolledBack) if self.undo => {
                let back = self.count(HostOutcome::RolledBack);
                format!("{back} of {} {are} proven back on what they had before {name}", count(all, "host"))
            }
            Some(RolloutOutcome::RolledBack | RolloutOutcome::Failed | RolloutOutcome::NeedsAttention) => {
                why()
            }
            None => "not finished: the process that ran it ended".to_owned(),
        }
    }

    /// How the fleet was left, by what its hosts serve.
    pub fn fleet(&self) -> String {
        let [changed, unchanged, rolled_back] = if self.back && !self.undo {
            [
                "are back on the earlier certificate, proven",
                "served the earlier certificate before",
                "are proven on the certificate from before this rollback",
            ]
        } else {
            [
                "serve the new certificate, proven",
                "served the new certificate before",
                "are proven back on their previous certificate",
            ]
        };
        let parts = [
            (HostOutcome::Changed, false, changed),
            (HostOutcome::Unchanged, false, unchanged),
            (HostOutcome::RolledBack, false, rolled_back),
            (HostOutcome::Failed, false, "failed before anything live was changed"),
            (HostOutcome::Failed, true, "failed and kept the certificate from before the rollout"),
            (HostOutcome::Unreachable, false, "could not be reached and were not changed"),
            (HostOutcome::Untouched, false, "were not touched"),
            (HostOutcome::RollbackFailed, false, "need a person"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(outcome, kept, words)| {
                let hosts: Vec<&str> = self
                    .hosts
                    .iter()
                    .filter(|host| host.outcome == outcome)
                    .filter(|host| outcome != HostOutcome::Failed || host.kept == kept)
                    .map(|host| host.host.as_str())
                    .collect();
                let named = match hosts.len() {
                    0 => return None,
                    1..=5 => hosts.join(", "),
                    many => format!("{many} hosts"),
                };
                let words = if hosts.len() == 1 { singular(words) } else { words.to_owned() };
                Some(format!("{named} {words}"))
            })
            .collect();
        parts.join("; ")
    }

    /// The outcome in a word, in the direction that it went.
    pub fn word(&self) -> String {
        match self.outcome {
            Some(RolloutOutcome::Succeeded | RolloutOutcome::RolledBack) if self.back => {
                "rolled back".to_owned()
            }
            Some(outcome) => outcome.name().replace('_', " "),
            None => "not finished".to_owned(),
        }
    }

    /// Risks with which the rollout went ahead, each kind once with the hosts that have it: of a large fleet, what differs
    /// only in a path would be a screen for each host. Programs get all of it.
    pub fn notes(&self) -> Vec<String> {
        let mut kinds: Vec<(&Remark, Vec<&str>, bool)> = Vec::new();
        for host in &self.hosts {
            for risk in &host.risks {
                match kinds.iter_mut().find(|(first, ..)| first.risk == risk.risk) {
                    Some((first, hosts, differ)) => {
                        *differ |= first.text != risk.text;
                        if hosts.last() != Some(&host.host.as_str()) {
                            hosts.push(host.host.as_str());
                        }
                    }
                    None => kinds.push((risk, vec![host.host.as_str()], false)),
                }
            }
        }
        let line = |(first, hosts, differ): (&Remark, Vec<&str>, bool)| {
            let more =
                if differ { format!(" (that is {}; the others are alike)", hosts[0]) } else { String::new() };
            format!("{}: {}{more}", compact(&hosts, NAMED), first.text)
        };
        kinds.into_iter().map(line).collect()
    }

    /// Hosts with a reason, each with its own, and when it breaks.
    pub fn reasons(&self) -> Vec<String> {
        let with_reason = |host: &HostSummary| {
            let breaks = host
                .breaks_at
                .map(|at| format!("what it serves expires on {}", at.strftime("%Y-%m-%d %H:%M:%SZ")));
            let said: Vec<String> = host.error.clone().into_iter().chain(breaks).collect();
            (!said.is_empty()).then(|| (host.host.to_string(), said.join("; ")))
        };
        grouped(self.hosts.iter().filter_map(with_reason))
    }

    /// The hosts that were left without what was wanted for them, with their numbers in the schedule.
    pub fn left_behind(&mut self) -> impl Iterator<Item = (HostIndex, &mut HostSummary)> {
        let wanted = if self.undo { HostOutcome::RolledBack } else { HostOutcome::Changed };
        let as_wanted = move |outcome| outcome == wanted || outcome == HostOutcome::Unchanged;
        self.hosts
            .range()
            .into_iter()
            .zip(self.hosts.iter_mut())
            .filter(move |(_, host)| !as_wanted(host.outcome))
    }
}

fn singular(words: &str) -> String {
    [("serve ", "serves "), ("are ", "is "), ("were ", "was "), ("need ", "needs "), (" their ", " its ")]
        .iter()
        .fold(format!("{words} "), |text, (many, one)| {
            if text.starts_with(many) || many.starts_with(' ') { text.replacen(many, one, 1) } else { text }
        })
        .replace(" and were ", " and was ")
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests;
