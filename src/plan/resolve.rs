//! A playbook meets an inventory.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;
use std::time::Duration;

use crate::install::{FileName, InstallDirectory, InstallSpec, Layout};
use crate::inventory::{Host, Inventory, Pattern, compact};
use crate::model::{HostName, HostPath, InvalidPath, format_duration};
use crate::plan::pace::slowest;
use crate::plan::plan::{HostPlan, Plan};
use crate::plan::request::{
    CertificateRequest, ChallengeHost, PlannedAcme, PlannedChallenge, PlannedFiles, PlannedIssuer,
};
use crate::plan::{Direction, PlannedWindows, Schedule, WaveSchedule, batches};
use crate::playbook::{
    CertificateSettings, FilesIssuer, Http01, Issuer, Playbook, Service, Template, VerifySettings,
};
use crate::yaml::{OneOrMany, Problem, Problems, Spanned};

/// A plan, and what is worth saying about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The plan.
    pub plan: Plan,
    /// What a careful person would want to know, though it is not wrong.
    pub notes: Vec<Note>,
}

/// One of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// In words.
    pub text: String,
    /// As intended, most likely: said only to who wants to know more.
    pub is_detail: bool,
}

/// So many names or ranges are written out in a note.
const NAMED: usize = 5;
const DIRECTORY: &str = "/etc/certwave";
const KEEP: u32 = 3;
/// One new answer says little while old workers still accept.
const ANSWERS: u32 = 3;
/// For all that a switch and its proof do besides waiting for servers.
const DEAD_MAN: Duration = Duration::from_secs(120);
const TIMEOUT: Duration = Duration::from_secs(30);
/// What a proof that takes its time has besides.
const FOR_RELOADS: Duration = Duration::from_secs(10);
/// A problem that many hosts share is told for so many of them.
const TOLD: usize = 3;

/// Resolves a playbook: patterns to hosts, variables to values. `limit` leaves only those hosts.
pub fn resolve(
    playbook: &Playbook,
    inventory: &Inventory,
    limit: Option<&[HostName]>,
    problems: &mut Problems,
) -> Option<Resolved> {
    let mut notes = Vec::new();
    let mut schedule = schedule(playbook, inventory, limit, &mut notes, problems);
    let services: Vec<HashSet<HostName>> = playbook
        .services
        .iter()
        .map(|service| select(inventory, &service.hosts, problems).into_iter().collect())
        .collect();
    let at_once =
        schedule.waves.iter().map(|wave| wave.parallel).max().unwrap_or(1).min(schedule.hosts.len());
    let at_once = u32::try_from(at_once).unwrap_or(u32::MAX);
    let mut hosts = Vec::new();
    let mut without: Vec<&HostName> = Vec::new();
    for name in &schedule.hosts {
        let Some(host) = inventory.host(name.as_str()) else { continue };
        let own: Vec<&Service> = playbook
            .services
            .iter()
            .zip(&services)
            .filter(|(_, hosts)| hosts.contains(name))
            .map(|(one, _)| one)
            .collect();
        if own.is_empty() {
            without.push(name);
        }
        hosts.extend(HostResolver { playbook, host, at_once, problems }.resolve(&own));
    }
    if let Some(first) = without.first() {
        let more = if without.len() > 1 { format!(" and {} more", without.len() - 1) } else { String::new() };
        problems.push(Problem::general(format!("{first}{more}: in a wave, but no service matches")).hint(
            "without a service nothing is reloaded and nothing can be proven: add one, or leave the host out",
        ));
    }
    let issuers = playbook.issuers.iter().map(|issuer| planned(issuer, inventory, problems)).collect();
    let ca_files = playbook.verify.ca_file.iter().map(|file| file.value.clone()).collect();
    let CertificateSettings { name, domains, keys, renew, .. } = playbook.certificate.clone();
    let certificate = CertificateRequest { name, domains, keys, renew };
    schedule.dead_man = hosts.iter().filter_map(|host: &HostPlan| host.dead_man).max();
    let plan = Plan { certificate, issuers, schedule, hosts: hosts.into(), ca_files };
    problems.none_or(Some(Resolved { plan, notes }))
}

/// The hosts of a pattern; one that selects nothing is a problem.
fn select(inventory: &Inventory, pattern: &Spanned<String>, problems: &mut Problems) -> Vec<HostName> {
    match Pattern::from_str(&pattern.value).and_then(|parsed| inventory.select(&parsed)) {
        Ok(hosts) if hosts.is_empty() => {
            problems.push(
                Problem::at(pattern.span, format!("the pattern `{}` matches no host", pattern.value))
                    .hint("`certwave inventory hosts PATTERN` shows what a pattern matches"),
            );
            Vec::new()
        }
        Ok(hosts) => hosts,
        Err(error) => {
            problems.push(Problem::at(pattern.span, error.to_string()));
            Vec::new()
        }
    }
}

fn schedule(
    playbook: &Playbook,
    inventory: &Inventory,
    limit: Option<&[HostName]>,
    notes: &mut Vec<Note>,
    problems: &mut Problems,
) -> Schedule {
    let limit: Option<HashSet<&HostName>> = limit.map(|hosts| hosts.iter().collect());
    let mut hosts: Vec<HostName> = Vec::new();
    let mut first: HashMap<HostName, &str> = HashMap::new();
    let mut waves = Vec::new();
    for wave in &playbook.waves {
        let start = hosts.len();
        let selected = select(inventory, &wave.hosts, problems);
        let found = !selected.is_empty();
        let mut earlier = Vec::new();
        for host in selected {
            match first.get(&host) {
                Some(other) => earlier.push((host, *other)),
                None => {
                    first.insert(host.clone(), wave.name.value.as_str());
                    if limit.as_ref().is_none_or(|limit| limit.contains(&host)) {
                        hosts.push(host);
                    }
                }
            }
        }
        for of_wave in earlier.chunk_by(|(_, one), (_, other)| one == other) {
            let names: Vec<&str> = of_wave.iter().map(|(host, _)| host.as_str()).collect();
            let is = if names.len() == 1 { "is" } else { "are" };
            let (hosts, other) = (compact(&names, NAMED), of_wave[0].1);
            let text = format!("{hosts} {is} also in `{other}` and {is} updated there");
            notes.push(Note { text, is_detail: true });
        }
        let range = start..hosts.len();
        if range.is_empty() {
            if found && limit.is_none() {
                problems.push(
                    Problem::at(
                        wave.hosts.span,
                        format!("wave `{}` is empty: earlier waves have all its hosts", wave.name.value),
                    )
                    .hint("leave the wave out, or let another pattern choose its hosts"),
                );
            }
            continue;
        }
        waves.push(WaveSchedule {
            name: wave.name.value.clone(),
            batches: batches(range.clone(), &wave.batch),
            parallel: wave.parallel as usize,
            max_failures: wave.max_failures.of(range.len()),
            soak: wave.soak,
            approval: wave.approval,
            progress_deadline: wave.progress_deadline,
            deadline: wave.deadline.as_ref().map(|deadline| deadline.value),
        });
    }
    if hosts.is_empty() && limit.is_some() {
        problems.push(Problem::general("the limit leaves no host of any wave"));
    }
    let left = inventory.hosts().iter().filter(|host| !first.contains_key(&host.name)).count();
    if left > 0 {
        let text = format!("{left} of {} hosts of the inventory are in no wave", inventory.hosts().len());
        notes.push(Note { text, is_detail: false });
    }
    let (on_failure, deadline) = (playbook.on_failure, playbook.deadline);
    let windows = playbook.windows.as_ref().map(|windows| PlannedWindows {
        allow: windows.allow.clone(),
        override_before_expiry: windows.override_before_expiry,
        served_until: None,
    });
    let (direction, unsoaked) = (Direction::Forward, BTreeSet::new());
    // Known once each host is resolved.
    let dead_man = None;
    Schedule { hosts: hosts.into(), waves, on_failure, direction, windows, deadline, dead_man, unsoaked }
}

fn planned(issuer: &Issuer, inventory: &Inventory, problems: &mut Problems) -> PlannedIssuer {
    match issuer {
        Issuer::Files(FilesIssuer { certificate, key }) => PlannedIssuer::Files(PlannedFiles {
            certificate: certificate.value.clone(),
            key: key.value.clone(),
        }),
        Issuer::Acme(acme) => PlannedIssuer::Acme(PlannedAcme {
            name: acme.name.clone(),
            directory: acme.directory.clone(),
            contact: acme.contact.clone(),
            profile: acme.profile.clone(),
            ca_file: acme.ca_file.as_ref().map(|file| file.value.clone()),
            challenge: match &acme.challenge {
                Http01::Listen(address) => PlannedChallenge::Listen(*address),
                Http01::Push { hosts, webroot } => {
                    PlannedChallenge::Push(challenge_hosts(hosts, webroot, inventory, problems))
                }
            },
        }),
    }
}

fn challenge_hosts(
    hosts: &Spanned<String>,
    webroot: &Template,
    inventory: &Inventory,
    problems: &mut Problems,
) -> Vec<ChallengeHost> {
    let mut all = Vec::new();
    for name in select(inventory, hosts, problems) {
        let Some(host) = inventory.host(name.as_str()) else { continue };
        let login = host.login(problems);
        let webroot = value::<HostPath>(Some(webroot), host, problems);
        all.extend(login.zip(webroot).map(|(login, webroot)| ChallengeHost { login, webroot }));
    }
    all
}

/// A template's value for a host. A missing variable and an unfit value are told for the first few hosts.
fn value<T: FromStr>(template: Option<&Template>, host: &Host, problems: &mut Problems) -> Option<T>
where
    T::Err: ToString,
{
    let template = template?;
    let read = template
        .render(&|name| host.text(name))
        .map_err(|missing| missing.to_string())
        .and_then(|text| text.parse::<T>().map_err(|error| error.to_string()));
    match read {
        Ok(value) => Some(value),
        // The same for every host: told once.
        Err(reason) if template.constant().is_some() => {
            problems.push(Problem::at(template.span, reason));
            None
        }
        Err(reason) => {
            let told = problems.sorted().iter().filter(|one| one.span == Some(template.span)).count();
            if told < TOLD {
                problems.push(Problem::at(template.span, format!("{}: {reason}", host.name)));
            }
            None
        }
    }
}

/// One host's part of a plan.
pub(super) struct HostResolver<'a> {
    pub(super) playbook: &'a Playbook,
    host: &'a Host,
    /// So many hosts are changed at a time.
    at_once: u32,
    pub(super) problems: &'a mut Problems,
}

impl HostResolver<'_> {
    pub(super) fn host_name(&self) -> &HostName {
        &self.host.name
    }

    pub(super) fn value<T: FromStr>(&mut self, template: Option<&Template>) -> Option<T>
    where
        T::Err: ToString,
    {
        value(template, self.host, self.problems)
    }

    pub(super) fn values<T: FromStr>(&mut self, templates: Option<&OneOrMany<Template>>) -> Vec<T>
    where
        T::Err: ToString,
    {
        let templates = templates.map(|all| all.0.as_slice()).unwrap_or_default();
        templates.iter().filter_map(|template| self.value(Some(template))).collect()
    }

    pub(super) fn value_or<T: FromStr>(&mut self, template: Option<&Template>, default: &str) -> Option<T>
    where
        T::Err: ToString,
    {
        match template {
            Some(template) => self.value(Some(template)),
            None => default.parse().ok(),
        }
    }

    pub(super) fn parsed(&mut self, template: &Template, text: &str) -> Option<HostPath> {
        text.parse()
            .map_err(|error: InvalidPath| {
                self.problems.push(Problem::at(template.span, error.to_string()));
            })
            .ok()
    }

    fn resolve(mut self, services: &[&Service]) -> Option<HostPlan> {
        let timeout = self.most(services, |verify| verify.timeout, TIMEOUT);
        let answers = self.most(services, |verify| verify.answers, ANSWERS);
        let at_most_failed = Some(self.most(services, |verify| verify.at_most_failed, 0));
        let login = self.host.login(self.problems);
        let mut install = self.install()?;
        let planned =
            self.services(services, login.as_ref().map(|login| login.address.as_str()), &mut install);
        let mut plan = HostPlan {
            login: login?,
            install,
            services: planned,
            timeout,
            dead_man: None,
            answers,
            at_most_failed,
            accepted: false,
        };
        self.keep_pace(&mut plan, services);
        plan.dead_man = self.dead_man(plan.timeout, plan.services.len());
        Some(plan)
    }

    /// A proof gets the time that its rate needs, unless the playbook says how long it may take.
    fn keep_pace(&mut self, plan: &mut HostPlan, services: &[&Service]) {
        let Some(slow) = slowest(plan, self.at_once).filter(|slow| slow.takes > plan.timeout) else { return };
        let settings = || services.iter().map(|service| &service.verify).chain([&self.playbook.verify]);
        let enough = Duration::from_secs(slow.takes.as_secs()) + FOR_RELOADS;
        if settings().all(|verify| verify.timeout.is_none()) {
            plan.timeout = enough;
            return;
        }
        let rates = settings().filter_map(|verify| verify.client.rate.as_ref());
        let Some(span) = rates.max_by_key(|rate| rate.value.interval()).map(|rate| rate.span) else { return };
        if !self.problems.sorted().iter().any(|one| one.span == Some(span)) {
            let message = format!("{}, and `timeout` is {}", slow.words(), format_duration(plan.timeout));
            let hint = format!("write `timeout: {}`, or leave `timeout` out", format_duration(enough));
            self.problems.push(Problem::at(span, message).hint(hint));
        }
    }

    /// The most that one of the host's servers asks for: by itself, else by the playbook's `verify`.
    fn most<T: Ord + Copy>(
        &self,
        services: &[&Service],
        setting: fn(&VerifySettings) -> Option<T>,
        default: T,
    ) -> T {
        let general = setting(&self.playbook.verify).unwrap_or(default);
        let each = services.iter().map(|service| setting(&service.verify).unwrap_or(general));
        each.max().unwrap_or(general)
    }

    /// Longer than an activation, its proof and the confirmation may take.
    fn dead_man(&mut self, timeout: Duration, services: usize) -> Option<Duration> {
        let derived = DEAD_MAN + timeout * (3 * u32::try_from(services).unwrap_or(1) + 2);
        let Some(setting) = &self.playbook.install.dead_man else { return Some(derived) };
        let after = setting.value?;
        if after <= timeout && !self.problems.sorted().iter().any(|one| one.span == Some(setting.span)) {
            let (after, timeout) = (format_duration(after), format_duration(timeout));
            self.problems.push(
                Problem::at(setting.span, format!("`dead_man` is {after}, and a proof may take {timeout}"))
                    .hint(format!(
                        "without it, it is {} here: long enough for switch, reload and proof",
                        format_duration(derived)
                    )),
            );
        }
        Some(after)
    }

    /// Of two certificates, the second one's files have its algorithm in their names.
    pub(super) fn exists(&mut self, path: &Template, file: FileName) {
        let keys = self.playbook.certificate.keys.iter().skip(1).map(|key| key.algorithm());
        if let Some(algorithm) = file.algorithm
            && !keys.clone().any(|key| key == algorithm)
        {
            let second = keys.map(|key| format!("with `.{key}` in their names")).next();
            let second = second.unwrap_or_else(|| "only where `key` is a list of two".to_owned());
            let problem = Problem::at(path.span, format!("there is no `{file}` in a version"));
            let hint = format!("the second certificate's files are there {second}; the first's are plain");
            self.once(path, problem.hint(hint));
        }
    }

    /// The same for every host: told once.
    pub(super) fn once(&mut self, template: &Template, problem: Problem) {
        if !self.problems.sorted().iter().any(|one| one.span == Some(template.span)) {
            self.problems.push(problem);
        }
    }

    fn install(&mut self) -> Option<InstallSpec> {
        let settings = &self.playbook.install;
        let directory = match &settings.directory {
            Some(template) => self.value::<InstallDirectory>(Some(template)).map(|directory| directory.0),
            None => DIRECTORY.parse().ok(),
        };
        let owner = settings.owner.as_ref().map(|template| self.value::<String>(Some(template)));
        let group = settings.group.as_ref().map(|template| self.value::<String>(Some(template)));
        let mut links = Vec::new();
        for (path, file) in &settings.links {
            self.exists(path, *file);
            links.extend(self.value::<HostPath>(Some(path)).map(|path| (path, *file)));
        }
        let key_mode = settings.mode.and_then(|mode| u16::try_from(mode).ok());
        let layout = Layout::new(directory?, self.playbook.certificate.name.clone());
        let copies = self.copies(&layout, &links);
        let keep = settings.keep.unwrap_or(KEEP);
        let (owner, group) =
            (owner.map_or(Some(None), |one| one.map(Some))?, group.map_or(Some(None), |one| one.map(Some))?);
        let boot_unit = settings.boot_unit.unwrap_or(true);
        Some(InstallSpec { layout, keep, owner, group, key_mode, links, copies, boot_unit })
    }
}
