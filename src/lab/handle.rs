//! A lab that lives on after the process that started it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::lab::LabError;
use crate::lab::process::{wait_for, write};

/// One server, so that it is found again, and nothing else in its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    name: String,
    pid: u32,
    /// When it started, in clock ticks since boot: tells it from a later process with its number.
    started: String,
}

impl Record {
    pub(super) fn of(name: &str, pid: u32) -> Self {
        let started = born(pid).unwrap_or_default();
        Self { name: name.to_owned(), pid, started }
    }

    fn runs(&self) -> bool {
        born(self.pid).is_some_and(|born| born == self.started)
    }

    fn signal(&self, signal: Signal) {
        if self.runs()
            && let Ok(id) = i32::try_from(self.pid)
        {
            // It may end by itself just now.
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }
}

/// Field 22 of `/proc/PID/stat` (proc(5)); none for a process that is gone or a zombie.
fn born(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") { None } else { fields.get(19).map(|field| (*field).to_owned()) }
}

/// Whether a server of a lab runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerStatus {
    /// What it is called.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Whether it runs.
    pub running: bool,
}

/// A lab, known by its folder.
#[derive(Debug)]
pub struct LabHandle {
    directory: PathBuf,
    records: Vec<Record>,
}

impl LabHandle {
    pub(super) fn write(directory: &Path, records: Vec<Record>) -> Result<Self, LabError> {
        let text = serde_json::to_string_pretty(&records).unwrap_or_default();
        write(&directory.join("lab.json"), text)?;
        Ok(Self { directory: directory.to_owned(), records })
    }

    /// Finds the lab in a folder.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(directory: &Path) -> Result<Self, LabError> {
        let text = std::fs::read_to_string(directory.join("lab.json"))
            .map_err(|_| LabError::NoLab(directory.to_owned()))?;
        let records = serde_json::from_str(&text).map_err(|_| LabError::NoLab(directory.to_owned()))?;
        Ok(Self { directory: directory.to_owned(), records })
    }

    /// Its folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What runs.
    pub fn status(&self) -> Vec<ServerStatus> {
        let status =
            |one: &Record| ServerStatus { name: one.name.clone(), pid: one.pid, running: one.runs() };
        self.records.iter().map(status).collect()
    }

    /// Ends every server, waits for it, and removes the folder.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn down(self) -> Result<(), LabError> {
        self.records.iter().for_each(|one| one.signal(Signal::SIGTERM));
        if !wait_for(Duration::from_secs(5), || !self.records.iter().any(Record::runs)) {
            self.records.iter().for_each(|one| one.signal(Signal::SIGKILL));
            wait_for(Duration::from_secs(5), || !self.records.iter().any(Record::runs));
        }
        let removed = std::fs::remove_dir_all(&self.directory);
        removed.map_err(LabError::io(format!("remove `{}`", self.directory.display())))
    }
}
