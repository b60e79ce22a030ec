//! A fleet of this machine's own processes.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::report::view::View;
use crate::report::view::table::table;

/// A lab that runs, and how it is used.
#[derive(Debug, Clone)]
pub struct LabUp {
    /// Its folder.
    pub directory: PathBuf,
    /// The inventory of its hosts.
    pub inventory: PathBuf,
    /// A playbook for them.
    pub playbook: PathBuf,
    /// The URL of its state.
    pub state: String,
}

impl View for LabUp {
    /// Two lines for a shell.
    fn text(&self, _: bool) -> String {
        let Self { inventory, playbook, state, .. } = self;
        let variables = format!("CERTWAVE_INVENTORY={} CERTWAVE_STATE={state}", inventory.display());
        format!("export {variables}\ncertwave rollout {}", playbook.display())
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        let Self { directory, inventory, playbook, state } = self;
        vec![json!({"time": time, "event": "lab.up", "directory": directory,
            "inventory": inventory, "playbook": playbook, "state": state})]
    }
}

/// A server of a lab.
#[derive(Debug, Clone, Serialize)]
pub struct LabServer {
    /// What it is called.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Whether it runs.
    pub running: bool,
}

/// The servers of a lab.
#[derive(Debug, Clone)]
pub struct LabServers(pub Vec<LabServer>);

impl View for LabServers {
    fn text(&self, _: bool) -> String {
        let row = |server: &LabServer| {
            let state = if server.running { "runs" } else { "has ended" };
            [server.name.clone(), server.pid.to_string(), state.to_owned()]
        };
        table(&["SERVER", "PID", "STATE"], self.0.iter().map(row))
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "lab.status", "servers": self.0})]
    }
}
