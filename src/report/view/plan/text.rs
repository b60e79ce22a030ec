//! A plan, for people: hosts that are alike on one line, or each in full.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::Leaf;
use crate::install::{InstallSpec, LinkState};
use crate::inventory::compact;
use crate::model::format_duration;
use crate::plan::{HostIndex, HostPlan, PlannedWindows, WaveSchedule};
use crate::preview::{Change, Preview, Risk, Seen, SeenHost};
use crate::report::view::plan::certificate::PlannedCertificate;
use crate::report::view::plan::ways::{dead_man_words, ways_words};
use crate::report::words::count;

/// So many ranges are written out.
const NAMED: usize = 4;

/// What people read of a plan.
#[derive(Debug)]
pub(super) struct PlanText<'p> {
    /// What would happen.
    pub(super) preview: &'p Preview<'p>,
    /// What would be rolled out.
    pub(super) certificate: &'p PlannedCertificate,
}

impl PlanText<'_> {
    /// The whole text. With `every`, each host in full.
    pub(super) fn whole(&self, every: bool) -> String {
        let mut text = String::new();
        self.head(&mut text);
        let schedule = &self.preview.plan.schedule;
        for wave in &schedule.waves {
            let _ = writeln!(text, "\n{}", wave_line(wave));
            if every {
                wave.hosts().iter().for_each(|host| self.host(&mut text, host));
            } else {
                self.groups(&mut text, wave);
            }
        }
        self.risks(&mut text);
        let _ = write!(text, "\n{}", self.sentence());
        text
    }

    fn head(&self, text: &mut String) {
        let PlannedCertificate { name, why, now, next } = self.certificate;
        let _ = writeln!(text, "{name}: {why}");
        for (version, leaf) in now {
            let _ = writeln!(text, "  in store  {version}: {}", leaf_words(leaf, self.preview.start));
        }
        if let Some(windows) = &self.preview.plan.schedule.windows {
            let all: Vec<String> = windows.allow.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "  windows   {}{}", all.join(", "), opens(windows, self.preview.start));
        }
        let Some(next) = next else { return };
        let version = next.version.as_ref().map_or(String::new(), |version| format!("{version}, "));
        let _ =
            writeln!(text, "  next      {version}{} for {}", next.keys.join(" and "), next.names.join(", "));
        let _ = writeln!(text, "  issuer    {}", next.issuers.join(", else "));
        next.limits.iter().for_each(|limit| {
            let _ = writeln!(text, "  limit     {limit}");
        });
    }

    /// Hosts of a wave that are alike share a line.
    fn groups(&self, text: &mut String, wave: &WaveSchedule) {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        for host in wave.hosts() {
            let words = self.short(host);
            let at = *index.entry(words.clone()).or_insert_with(|| {
                groups.push((words, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(self.preview.plan.schedule.hosts[host].as_str());
        }
        let named: Vec<(String, String)> =
            groups.into_iter().map(|(words, hosts)| (compact(&hosts, NAMED), words)).collect();
        let width = named.iter().map(|(hosts, _)| hosts.chars().count()).max().unwrap_or_default();
        for (hosts, words) in named {
            let _ = writeln!(text, "  {hosts:width$}  {words}");
        }
    }

    /// What would become of a host, in one line.
    fn short(&self, host: HostIndex) -> String {
        let (plan, change) = (&self.preview.plan.hosts[host], host.of(&self.preview.changes));
        let mut words = change_words(change, &ways_words(plan, host.of(self.preview.seen)));
        if let Seen::Host(seen) = host.of(self.preview.seen)
            && !matches!(change, Change::Nothing | Change::Fails { .. } | Change::Away { .. })
        {
            let _ = write!(words, "; back to {}", way_back(seen));
        }
        words
    }

    /// A host in full.
    fn host(&self, text: &mut String, number: HostIndex) {
        let preview = self.preview;
        let (plan, name) = (&preview.plan.hosts[number], &preview.plan.schedule.hosts[number]);
        let change = number.of(&preview.changes);
        let _ = writeln!(text, "  {name} ({}:{})", plan.login.address, plan.login.port);
        let mut line = |key: &str, words: String| {
            let _ = writeln!(text, "    {key:9} {words}");
        };
        line("change", change_words(change, &ways_words(plan, number.of(preview.seen))));
        if let Seen::Host(seen) = number.of(preview.seen) {
            for served in &seen.served {
                let what = match (&served.leaf, &served.reason) {
                    (Some(leaf), _) => leaf_words(leaf, preview.start),
                    (None, Some(reason)) => reason.clone(),
                    (None, None) => "nothing that can be read".to_owned(),
                };
                line("serves", format!("{} at {}: {what}", served.service, served.endpoint));
            }
            for leaf in &seen.on_disk {
                line("on disk", leaf_words(leaf, preview.start));
            }
            if matches!(change, Change::Switch { .. } | Change::BackAgain | Change::NotReached) {
                files(plan, seen).into_iter().for_each(|words| line("files", words));
                for service in &plan.services {
                    service.spec.actions().into_iter().for_each(|words| line("runs", words));
                    for endpoint in &service.endpoints {
                        let answers = count(plan.answers as usize, "answer");
                        let name = &endpoint.server_name;
                        line(
                            "proves",
                            format!("{} at {endpoint} as {name}: {answers} in a row", service.name),
                        );
                    }
                }
                line("dead man", dead_man_words(plan));
            }
            if !matches!(change, Change::Nothing) {
                line("back", way_back(seen));
            }
        }
        number.of(&preview.host_risks).iter().for_each(|risk| line("risk", risk.to_string()));
    }

    /// Each risk once, with the hosts that have it.
    fn risks(&self, text: &mut String) {
        let schedule = &self.preview.plan.schedule;
        let mut hosts: BTreeMap<&Risk, Vec<&str>> = BTreeMap::new();
        for (host, risks) in schedule.hosts.iter().zip(&self.preview.host_risks) {
            risks.iter().for_each(|risk| hosts.entry(risk).or_default().push(host.as_str()));
        }
        if hosts.is_empty() && self.preview.risks.is_empty() {
            return;
        }
        let _ = writeln!(text, "\nrisks:");
        for risk in &self.preview.risks {
            let _ = writeln!(text, "  {risk}");
        }
        for (risk, hosts) in hosts {
            let _ = writeln!(text, "  {}: {risk}", compact(&hosts, NAMED));
        }
    }

    /// What it comes to, and how long it takes.
    fn sentence(&self) -> String {
        let preview = self.preview;
        let all = preview.changes.len();
        if !preview.has_changes() {
            let is = if all == 1 { "is" } else { "are" };
            return format!("nothing to do: {} {is} as planned", count(all, "host"));
        }
        let how_many = |wanted: fn(&Change) -> bool| preview.changes.iter().filter(|one| wanted(one)).count();
        let parts = [
            (preview.changing(), "to change"),
            (how_many(|change| matches!(change, Change::Back)), "to put back"),
            (how_many(|change| matches!(change, Change::Nothing)), "as planned already"),
            (how_many(|change| matches!(change, Change::BackAgain)), "to switch and put back again"),
            (how_many(|change| matches!(change, Change::Fails { .. })), "to fail"),
            (how_many(|change| matches!(change, Change::Away { .. })), "away"),
            (how_many(|change| matches!(change, Change::NotReached)), "not reached"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(many, _)| *many > 0)
            .map(|(many, words)| format!("{many} {words}"))
            .collect();
        let (least, most) = (preview.fastest.takes, preview.slowest.takes);
        let over = |takes| later(preview.start, takes).strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let approval = preview.plan.schedule.waves.iter().any(|wave| wave.approval);
        let waits = if approval { ", approvals not counted" } else { "" };
        format!(
            "plan: {}: {}. If started now, finishes between {} and {} ({} to {}{waits}).",
            count(all, "host"),
            parts.join(", "),
            over(least),
            over(most),
            format_duration(least),
            format_duration(most)
        )
    }
}

/// When hosts may be begun, where that is not now.
fn opens(windows: &PlannedWindows, start: Timestamp) -> String {
    match windows.open(start) {
        Some(open) if open == start => String::new(),
        Some(open) => format!(": the next one opens on {}", open.strftime("%Y-%m-%d %H:%M:%SZ")),
        None => ": none ever opens".to_owned(),
    }
}

fn later(start: Timestamp, takes: Duration) -> Timestamp {
    let takes = SignedDuration::try_from(takes).unwrap_or(SignedDuration::MAX);
    start.checked_add(takes).unwrap_or(Timestamp::MAX)
}

fn wave_line(wave: &WaveSchedule) -> String {
    let mut parts = vec![count(wave.hosts().len(), "host")];
    if wave.batches.len() > 1 {
        let sizes: Vec<String> = wave.batches.iter().take(5).map(|batch| batch.len().to_string()).collect();
        let more = if wave.batches.len() > 5 { ", …" } else { "" };
        parts.push(format!("in {} batches of {}{more}", wave.batches.len(), sizes.join(", ")));
    }
    if wave.hosts().len() > 1 {
        parts.push(format!("{} at once", wave.parallel.min(wave.hosts().len())));
    }
    parts.push(match wave.max_failures {
        0 => "none may fail".to_owned(),
        many => format!("{many} may fail"),
    });
    if !wave.soak.is_zero() {
        parts.push(format!("soaks {}, watched by handshakes", format_duration(wave.soak)));
    }
    let limits = [("deadline", wave.deadline), ("progress deadline", wave.progress_deadline)];
    let limits = limits.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
    parts.extend(limits.map(|(name, limit)| format!("{name} {}", format_duration(limit))));
    if wave.approval {
        parts.push("waits for an approval".to_owned());
    }
    format!("wave `{}`: {}", wave.name, parts.join(", "))
}

fn change_words(change: &Change, services: &str) -> String {
    match change {
        Change::Switch { upload: true } => format!("upload, switch, {services}, prove"),
        Change::Switch { upload: false } => format!("switch, {services}, prove; it is in its archive"),
        Change::Confirm => "prove and confirm: it was switched already".to_owned(),
        Change::Nothing => "nothing: it is proven to serve this one".to_owned(),
        Change::Back => format!("put back, {services}, prove"),
        Change::BackAgain => "switched, and put back again when a wave stops".to_owned(),
        Change::Fails { reason } => format!("fails before anything live is changed: {reason}"),
        Change::Away { reason } => format!("away: {reason}"),
        Change::NotReached => "not reached: the rollout stops before".to_owned(),
    }
}

fn way_back(seen: &SeenHost) -> String {
    match &seen.previous {
        Some(previous) => {
            let until = previous.not_after.strftime("%Y-%m-%d");
            // What certwave did not bring has a name of its own on each host.
            match &seen.live {
                Some(_) => format!("{}, valid until {until}", previous.version),
                None => format!("what is there now, valid until {until}"),
            }
        }
        None => "nothing".to_owned(),
    }
}

fn leaf_words(leaf: &Leaf, now: Timestamp) -> String {
    let expires = leaf.expires();
    let days = expires.duration_since(now).as_hours() / 24;
    let until = expires.strftime("%Y-%m-%d");
    let left = if expires <= now { "expired".to_owned() } else { format!("{days} days left") };
    let key = leaf.key_type.map_or("another kind of key".to_owned(), |key| key.to_string());
    format!("{}, {key}, by {}, until {until} ({left})", leaf.fingerprint_sha256.short(), leaf.issuer)
}

/// What is known of it before the host is changed.
fn ownership(install: &InstallSpec) -> String {
    let replaced = || "that of the file that is replaced".to_owned();
    match (&install.owner, &install.group, install.key_mode) {
        (None, None, None) => "owner and mode of the file that is replaced, else root and 0600".to_owned(),
        (owner, group, mode) => format!(
            "owner {}, group {}, mode {}",
            owner.clone().unwrap_or_else(replaced),
            group.clone().unwrap_or_else(replaced),
            mode.map_or_else(replaced, |mode| format!("{mode:04o}"))
        ),
    }
}

/// What is written where, and what stands there now.
fn files(plan: &HostPlan, seen: &SeenHost) -> Vec<String> {
    let layout = &plan.install.layout;
    let mut files = vec![
        format!("{}/VERSION/: certificate, chain and key ({})", layout.archive(), ownership(&plan.install)),
        format!("{}: a link to it", layout.live()),
    ];
    for ((path, file), state) in plan.install.links.iter().zip(&seen.links) {
        let now = match state {
            LinkState::Ours => continue,
            LinkState::Missing => "new",
            LinkState::File | LinkState::Kept => "now a file, which is kept",
            LinkState::OtherLink(_) => "now another link, whose target is kept",
            LinkState::NoFolder | LinkState::Other => "cannot be made",
        };
        files.push(format!("{path}: a link to {} ({now})", layout.live_file(*file)));
    }
    for (copy, state) in plan.install.copies.iter().zip(&seen.copies) {
        let now = match state {
            LinkState::Missing => "new",
            LinkState::NoFolder | LinkState::Other => "cannot be made",
            _ => "what stands there is kept",
        };
        files.push(format!("{}: a copy of {} ({now})", copy.path, copy.file));
    }
    files
}
