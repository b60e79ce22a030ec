//! What `inspect` found out about a host.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::install::answer::Answer;
use crate::install::{
    Armed, Boots, Fired, History, InstallError, InstallSpec, Keeper, KeyFile, Listener, Output, Ownership,
    Reader, Reads, Rival, ScriptService, SudoLogs,
};
use crate::model::Version;

/// What the `live` link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// There is none.
    Missing,
    /// Ours, to that version, which may be damaged: see [`Facts::complete`].
    Version(Version),
    /// Not made by certwave.
    Foreign,
}

/// What stands at the path of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Nothing; its folder exists.
    Missing,
    /// Nothing, and its folder does not exist either.
    NoFolder,
    /// The link to the live version; or a copy of its file.
    Ours,
    /// What stood there while the live version was live before: the host went back to it.
    Kept,
    /// A plain file.
    File,
    /// Another symbolic link: its target.
    OtherLink(String),
    /// A folder or a device.
    Other,
}

/// Room that a version needs, with some to spare.
pub(super) const NEEDED_KIB: u64 = 64;

/// Facts about a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Effective user id that the scripts run with.
    pub uid: u32,
    /// That user's name.
    pub user: String,
    /// The host's clock; only a survey asks for it.
    pub clock: Option<Timestamp>,
    /// What would keep a dead-man switch alive; only a survey asks for it.
    pub keeper: Option<Keeper>,
    /// Whether that switch would outlive a reboot; only a survey asks for it, where root's systemd would keep it.
    pub boots: Option<Boots>,
    /// What sudo keeps of what is sent and printed.
    pub sudo_logs: SudoLogs,
    /// Tools that are missing.
    pub missing_tools: Vec<String>,
    /// What others can change of where certwave keeps its files, and what the host said; only a survey asks for it.
    pub exposed: Option<(String, String)>,
    /// Folders that cannot be written to, and what the host said.
    pub unwritable: Vec<(String, String)>,
    /// Free for this user in the install folder's file system; the largest number where it does not say, or was found to
    /// have room for a version.
    pub free_kib: u64,
    /// Whether the owner exists.
    pub owner_exists: bool,
    /// Whether the group exists.
    pub group_exists: bool,
    /// That owner's number, where the host was asked.
    pub owner_number: Option<u32>,
    /// That group's number, likewise.
    pub group_number: Option<u32>,
    /// Who reads the servers' files, where that is not simply root.
    pub readers: Vec<Reader>,
    /// The sockets that services listen at.
    pub listeners: Vec<Listener>,
    /// Other processes that take connections where services do.
    pub rivals: Vec<Rival>,
    /// Whether this user may give files to owner and group.
    pub may_give: bool,
    /// The live link.
    pub live: Live,
    /// Complete versions in the archive, oldest first.
    pub complete: Vec<Version>,
    /// Which versions were verified on it.
    pub history: History,
    /// A dead-man switch that waits for the live version to be confirmed.
    pub armed: Option<Armed>,
    /// What a dead-man switch did since the last commit.
    pub fired: Option<Fired>,
    /// What stands at each link's path, in the order of the settings.
    pub links: Vec<LinkState>,
    /// What stands at each copy's path, likewise.
    pub copies: Vec<LinkState>,
    /// Copies of the private key that everybody can read.
    pub open_copies: Vec<String>,
    /// Users that copies are to belong to, and that do not exist.
    pub missing_users: Vec<String>,
    /// Groups that copies are to belong to, and that do not exist.
    pub missing_groups: Vec<String>,
    /// The private key comes first in a file that holds it together with the certificate.
    pub key_first: bool,
    /// The files with a private key that stand at the links, else in the live version.
    pub key_files: Vec<KeyFile>,
    /// The leaves (PEM, never a key) that are active: the live version's, else those that stand at the links. None
    /// where there are none, two where there are dual certificates.
    pub active: Vec<String>,
    /// The leaves (PEM, never a key) that stand at the links' paths and are not the live version's.
    pub stands: Vec<String>,
    /// For each service in order: ready, or why it cannot be reloaded.
    pub services: Vec<Result<(), String>>,
    /// Services that cannot be reloaded since they do not run, by their places in that order.
    pub down: Vec<usize>,
    /// For each service in order: what it reads, where it tells.
    pub reads: Vec<Reads>,
}

impl Facts {
    /// Reads the answer of an inspect script that was made with these settings and services.
    ///
    /// # Errors
    /// When the script did not come to its end, or spoke out of protocol.
    pub fn parse(
        output: &Output<'_>,
        spec: &InstallSpec,
        services: &[ScriptService],
    ) -> Result<Facts, InstallError> {
        let answer = Answer::read(output)?;
        let blocks = |name| {
            answer.blocks(name).filter(|text| !text.is_empty()).map(str::to_owned).collect::<Vec<String>>()
        };
        let mut facts = Facts {
            uid: 0,
            user: String::new(),
            clock: None,
            keeper: None,
            boots: None,
            sudo_logs: SudoLogs::default(),
            missing_tools: Vec::new(),
            exposed: None,
            unwritable: Vec::new(),
            free_kib: u64::MAX,
            owner_exists: true,
            group_exists: true,
            owner_number: None,
            group_number: None,
            readers: Vec::new(),
            listeners: Vec::new(),
            rivals: Vec::new(),
            may_give: true,
            live: Live::Missing,
            complete: Vec::new(),
            history: History::default(),
            armed: None,
            fired: None,
            links: Vec::new(),
            copies: Vec::new(),
            open_copies: Vec::new(),
            missing_users: Vec::new(),
            missing_groups: Vec::new(),
            key_first: false,
            key_files: Vec::new(),
            active: blocks("active"),
            stands: blocks("stands"),
            services: Vec::new(),
            down: Vec::new(),
            reads: vec![Reads::default(); services.len()],
        };
        let mut reason = String::new();
        for (key, value) in answer.statements() {
            let unexpected = || InstallError::Unexpected { statement: format!("{key} {value}") };
            match key {
                "user" => {
                    let (uid, user) = value.split_once(' ').ok_or_else(unexpected)?;
                    facts.uid = uid.parse().map_err(|_| unexpected())?;
                    user.clone_into(&mut facts.user);
                }
                "clock" => {
                    let seconds = value.parse().map_err(|_| unexpected())?;
                    facts.clock = Some(Timestamp::from_second(seconds).map_err(|_| unexpected())?);
                }
                "keeper" => facts.keeper = Some(Keeper::parse(value).ok_or_else(unexpected)?),
                "boots" => facts.boots = Some(Boots::parse(value).ok_or_else(unexpected)?),
                "sudo-logs" => facts.sudo_logs = SudoLogs::parse(value).ok_or_else(unexpected)?,
                "missing" => facts.missing_tools.push(value.to_owned()),
                "reason" => value.clone_into(&mut reason),
                "unsafe" => facts.exposed = Some((value.to_owned(), std::mem::take(&mut reason))),
                "unwritable" => {
                    let entry = (value.to_owned(), std::mem::take(&mut reason));
                    if !facts.unwritable.iter().any(|(path, _)| *path == entry.0) {
                        facts.unwritable.push(entry);
                    }
                }
                // Some file systems do not say.
                "free" => facts.free_kib = value.parse().unwrap_or(u64::MAX),
                "owner-number" => facts.owner_number = Some(value.parse().map_err(|_| unexpected())?),
                "group-number" => facts.group_number = Some(value.parse().map_err(|_| unexpected())?),
                "reader" => facts.readers.push(Reader::parse(value).ok_or_else(unexpected)?),
                // Of a host with another order of bytes nothing is known.
                "listener" => facts.listeners.extend(Listener::parse(value)),
                "rival" => facts.rivals.push(Rival::parse(value).ok_or_else(unexpected)?),
                "no-owner" => facts.owner_exists = false,
                "no-group" => facts.group_exists = false,
                "foreign-owner" | "foreign-group" => facts.may_give = false,
                "live" => facts.live = live(value, spec),
                "live-occupied" => facts.live = Live::Foreign,
                "version" => facts.complete.extend(value.parse::<Version>().ok()),
                "key-file" => facts.key_files.push(KeyFile::parse(value).ok_or_else(unexpected)?),
                "history" => facts.history.take_in(value),
                "armed" => facts.armed = Some(Armed::parse(value).ok_or_else(unexpected)?),
                "fired" => facts.fired = Some(Fired::parse(value).ok_or_else(unexpected)?),
                "link" => facts.links.push(link(value).ok_or_else(unexpected)?),
                "copy" => facts.copies.push(link(value).ok_or_else(unexpected)?),
                "open-copy" => facts.open_copies.push(value.to_owned()),
                "no-user" => facts.missing_users.push(value.to_owned()),
                "no-such-group" => facts.missing_groups.push(value.to_owned()),
                "key-first" => facts.key_first = true,
                "ready" => facts.services.push(Ok(())),
                "down" => {
                    facts.down.push(facts.services.len());
                    facts.services.push(Err(std::mem::take(&mut reason).trim().to_owned()));
                }
                "broken" | "variable" | "setting" | "beside" | "reads" => {
                    Reads::take_in(&mut facts.reads, (key, value), &answer).ok_or_else(unexpected)?;
                }
                "unready" => facts.services.push(Err(std::mem::take(&mut reason).trim().to_owned())),
                _ => return Err(unexpected()),
            }
        }
        let places = (spec.links.len(), spec.copies.len());
        if (facts.links.len(), facts.copies.len()) != places || facts.services.len() != services.len() {
            return Answer::unexpected("an answer for every link, copy and service was expected");
        }
        facts.complete.sort();
        Ok(facts)
    }

    /// Whether every link leads into what is live.
    pub fn is_linked(&self) -> bool {
        self.links.iter().all(|link| *link == LinkState::Ours)
    }

    /// Whether every copy has the content of the live version's file.
    pub fn is_copied(&self) -> bool {
        self.copies.iter().all(|copy| *copy == LinkState::Ours)
    }

    /// The live version, if it is ours.
    pub fn live_version(&self) -> Option<&Version> {
        match &self.live {
            Live::Version(version) => Some(version),
            Live::Missing | Live::Foreign => None,
        }
    }

    /// Whether the live version waits for a confirmation that never came: it is nothing to go back to.
    pub fn is_unconfirmed(&self) -> bool {
        let Some(live) = self.live_version() else { return false };
        self.armed.as_ref().is_some_and(|armed| armed.target == *live) || self.history.lacks(live)
    }

    /// Whether the live version's files have another owner, group or mode than they should.
    pub fn is_misowned(&self, spec: &InstallSpec) -> bool {
        let Ok(wanted) = Ownership::of(spec, &self.key_files) else { return false };
        let numbers = self.numbers(&wanted);
        self.live_version().is_some()
            && self.is_linked()
            && self.key_files.iter().any(|file| !wanted.holds_for(file, numbers))
    }

    /// Services that do not run, each as the error that it is where they have to.
    pub fn not_running(&self, services: &[ScriptService]) -> Vec<InstallError> {
        let error = |at: &usize| {
            let (service, state) = (services.get(*at)?, self.services.get(*at)?);
            let reason = state.as_ref().err()?.clone();
            Some(InstallError::ServiceNotReady { service: service.name.clone(), reason })
        };
        self.down.iter().filter_map(error).collect()
    }

    /// Everything that would make a rollout fail on this host, each as the error it would be; that a service is
    /// [not running](Facts::not_running) aside.
    pub fn problems(&self, spec: &InstallSpec, services: &[ScriptService]) -> Vec<InstallError> {
        let mut problems = Vec::new();
        if !self.missing_tools.is_empty() {
            problems.push(InstallError::MissingTools { tools: self.missing_tools.clone() });
        }
        let exposed = self.exposed.iter().cloned();
        problems.extend(exposed.map(|(path, reason)| InstallError::Exposed { path, reason }));
        let unwritable = self.unwritable.iter().cloned();
        problems.extend(unwritable.map(|(path, reason)| InstallError::unwritable(path, reason)));
        if self.free_kib < NEEDED_KIB {
            let path = spec.layout.directory().to_string();
            problems.push(InstallError::NoRoom { path, free_kib: self.free_kib, needed_kib: NEEDED_KIB });
        }
        let ownership = Ownership::of(spec, &self.key_files);
        let wanted = ownership.clone().unwrap_or_else(|_| Ownership::without_any(spec));
        problems.extend(ownership.err());
        if !self.owner_exists {
            problems.push(InstallError::NoOwner { owner: wanted.owner.clone() });
        }
        if !self.group_exists {
            problems.push(InstallError::NoGroup { group: wanted.group.clone() });
        }
        // The host was asked about owners that the playbook names.
        let is_theirs = wanted.owner == self.user || wanted.owner == self.uid.to_string();
        let may_give = self.may_give && (self.uid == 0 || spec.owner.is_some() || is_theirs);
        if !may_give && self.owner_exists && self.group_exists {
            let owner = format!("{}:{}", wanted.owner, wanted.group);
            problems.push(InstallError::MayNotGive { user: self.user.clone(), owner });
        }
        problems.extend(self.unreadable(spec, services));
        for rival in &self.rivals {
            let Some(service) = services.get(rival.service) else { continue };
            problems.push(InstallError::Rival {
                service: service.name.clone(),
                port: rival.port,
                process: rival.process,
                name: rival.name.clone(),
            });
        }
        if self.live == Live::Foreign {
            problems.push(InstallError::LiveOccupied { path: spec.layout.live().to_string() });
        }
        let missing = self.missing_users.iter().map(|owner| InstallError::NoOwner { owner: owner.clone() });
        problems.extend(missing);
        let missing = self.missing_groups.iter().map(|group| InstallError::NoGroup { group: group.clone() });
        problems.extend(missing);
        let links = spec.links.iter().map(|(path, _)| path).zip(&self.links);
        let copies = spec.copies.iter().map(|copy| &copy.path).zip(&self.copies);
        for (path, state) in links.chain(copies) {
            let path = path.to_string();
            match state {
                LinkState::NoFolder => problems.push(InstallError::NoFolder { path }),
                LinkState::Other => problems.push(InstallError::Occupied { path }),
                LinkState::Missing
                | LinkState::Ours
                | LinkState::Kept
                | LinkState::File
                | LinkState::OtherLink(_) => {}
            }
        }
        for (at, (service, state)) in services.iter().zip(&self.services).enumerate() {
            if let Err(reason) = state.as_ref().map_err(String::clone)
                && !self.down.contains(&at)
            {
                problems.push(InstallError::ServiceNotReady { service: service.name.clone(), reason });
            }
        }
        problems
    }
}

pub(super) fn live(target: &str, spec: &InstallSpec) -> Live {
    let version = target.rsplit('/').next().and_then(|name| name.parse::<Version>().ok());
    match version {
        Some(version) if spec.layout.live_target(&version) == target => Live::Version(version),
        _ => Live::Foreign,
    }
}

pub(super) fn link(state: &str) -> Option<LinkState> {
    Some(match state.split_once(' ').unwrap_or((state, "")) {
        ("missing", _) => LinkState::Missing,
        ("no-folder", _) => LinkState::NoFolder,
        ("ours", _) => LinkState::Ours,
        ("kept", _) => LinkState::Kept,
        ("file", _) => LinkState::File,
        ("link", target) => LinkState::OtherLink(target.to_owned()),
        ("other", _) => LinkState::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
