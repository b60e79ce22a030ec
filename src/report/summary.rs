//! How a rollout went: a line per host and one sentence.

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::words::{count, failure};
use crate::model::{CertificateName, Fingerprint, HostName, Serial, Version, WaveName};
use crate::rollout::{HostOutcome, RolloutOutcome, WaveFailure};
use crate::verify::EndpointState;

/// The certificate, as summaries name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Its name in the store.
    pub name: CertificateName,
    /// Which version.
    pub version: Version,
    /// The leaf's SHA-256.
    pub fingerprint_sha256: Fingerprint,
    /// The leaf's serial number.
    pub serial: Serial,
    /// When it expires.
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
    /// Requests in flight that were cut.
    pub dropped_connections: u32,
    /// From its first step to its last.
    pub seconds: f64,
    /// Why it failed.
    pub error: Option<String>,
    /// When what it serves now expires, where it was left without the new certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaks_at: Option<Timestamp>,
    #[serde(skip)]
    pub(super) handshakes: u64,
}

/// How a rollout went.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// In one word; none while it is not finished.
    pub outcome: Option<RolloutOutcome>,
    /// Every host, in the order they go.
    pub hosts: Vec<HostSummary>,
    /// Why it is paused, in words.
    pub pause: Option<String>,
    /// It was about going back, each host to what it had before.
    pub undo: bool,
    /// The wave that failed, and why.
    pub failure: Option<(WaveName, WaveFailure)>,
}

impl Summary {
    /// Whether a wave waits for somebody's word.
    pub fn awaits_approval(&self) -> bool {
        self.pause.as_ref().is_some_and(|pause| pause.ends_with("approval"))
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
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "HOST",
            "WAVE",
            "OUTCOME",
            "SERVES",
            "FAILED HANDSHAKES",
            "CUT REQUESTS",
            "SECONDS",
        ]);
        for host in &shown {
            let serves = match host.state {
                Some(EndpointState::New) => "new",
                Some(EndpointState::Previous) => "previous",
                Some(_) => "something else",
                None => "-",
            };
            let switched = host.handshakes > 0;
            table.add_row([
                host.host.to_string(),
                host.wave.to_string(),
                host.outcome.name().replace('_', " "),
                serves.to_owned(),
                if switched {
                    format!("{} of {}", host.failed_handshakes, host.handshakes)
                } else {
                    "-".to_owned()
                },
                if switched { host.dropped_connections.to_string() } else { "-".to_owned() },
                format!("{:.2}", host.seconds),
            ]);
        }
        let left = self.hosts.len() - shown.len();
        let lines = table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
        if left > 0 { format!("{lines}\n… and {left} more hosts that changed") } else { lines }
    }

    /// What the switch cost: handshakes and requests over all hosts.
    fn cost(&self) -> String {
        let tried: u64 = self.hosts.iter().map(|host| host.handshakes).sum();
        let failed: u64 = self.hosts.iter().map(|host| host.failed_handshakes).sum();
        let cut: u32 = self.hosts.iter().map(|host| host.dropped_connections).sum();
        if tried == 0 {
            return String::new();
        }
        let cut = if cut == 1 { "1 request was".to_owned() } else { format!("{cut} requests were") };
        format!(
            "; {failed} of {} failed and {cut} cut while hosts were switched",
            count(tried as usize, "handshake")
        )
    }

    /// One sentence: what happened.
    pub fn sentence(&self, certificate: &Certificate) -> String {
        let all = self.hosts.len();
        let name = format!("{} {}", certificate.name, certificate.version);
        let until = certificate.not_after.strftime("%Y-%m-%d");
        let serving = self.count(HostOutcome::Changed) + self.count(HostOutcome::Unchanged);
        let why = || {
            self.failure
                .as_ref()
                .map_or(String::new(), |(wave, reason)| format!("wave `{wave}` stopped: {}", failure(reason)))
        };
        match self.outcome {
            Some(RolloutOutcome::Succeeded) => {
                format!(
                    "{serving} of {} serve {name}, valid until {until}{}",
                    count(all, "host"),
                    self.cost()
                )
            }
            Some(RolloutOutcome::Unchanged) => {
                format!("{serving} of {} served {name} before, valid until {until}", count(all, "host"))
            }
            Some(RolloutOutcome::Incomplete) if self.undo => {
                let back = self.count(HostOutcome::RolledBack);
                format!("{back} of {} are proven back; the others are named below", count(all, "host"))
            }
            Some(RolloutOutcome::Incomplete) => {
                format!(
                    "{serving} of {} serve {name}; the others are named below{}",
                    count(all, "host"),
                    self.cost()
                )
            }
            Some(RolloutOutcome::Paused) => match &self.pause {
                Some(pause) => pause.clone(),
                None => "nothing was measured during the soak: paused".to_owned(),
            },
            Some(RolloutOutcome::Interrupted) => "interrupted".to_owned(),
            Some(RolloutOutcome::RolledBack) if self.undo => {
                let back = self.count(HostOutcome::RolledBack);
                format!("{back} of {} are proven back on what they had before {name}", count(all, "host"))
            }
            Some(RolloutOutcome::RolledBack | RolloutOutcome::Failed | RolloutOutcome::NeedsAttention) => {
                why()
            }
            None => "not finished: the process that ran it ended".to_owned(),
        }
    }

    /// How the fleet was left, by what its hosts serve.
    pub fn fleet(&self) -> String {
        let parts = [
            (HostOutcome::Changed, "serve the new certificate, proven"),
            (HostOutcome::Unchanged, "served the new certificate before"),
            (HostOutcome::RolledBack, "are proven back on their previous certificate"),
            (HostOutcome::Failed, "failed before anything live was changed"),
            (HostOutcome::Unreachable, "could not be reached and were not changed"),
            (HostOutcome::Untouched, "were not touched"),
            (HostOutcome::RollbackFailed, "need a person"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(outcome, words)| {
                let hosts: Vec<&str> = self
                    .hosts
                    .iter()
                    .filter(|host| host.outcome == outcome)
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

    /// Hosts with a reason, each with its own, and when it breaks.
    pub fn reasons(&self) -> Vec<String> {
        let with_reason = |host: &HostSummary| {
            let breaks = host
                .breaks_at
                .map(|at| format!("what it serves expires on {}", at.strftime("%Y-%m-%d %H:%M:%SZ")));
            let said: Vec<String> = host.error.clone().into_iter().chain(breaks).collect();
            (!said.is_empty()).then(|| format!("{}: {}", host.host, said.join("; ")))
        };
        self.hosts.iter().filter_map(with_reason).collect()
    }

    /// The hosts that were left without what was wanted for them, with their numbers in the schedule.
    pub fn left_behind(&mut self) -> impl Iterator<Item = (usize, &mut HostSummary)> {
        let wanted = if self.undo { HostOutcome::RolledBack } else { HostOutcome::Changed };
        let as_wanted = move |outcome| outcome == wanted || outcome == HostOutcome::Unchanged;
        self.hosts.iter_mut().enumerate().filter(move |(_, host)| !as_wanted(host.outcome))
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
