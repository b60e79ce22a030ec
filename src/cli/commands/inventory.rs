//! `certwave inventory`

use serde_json::{Value, json};

use super::super::args::Inventory as Args;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::load;
use super::super::settings::Settings;
use crate::inventory::Inventory;
use crate::yaml::{Problems, Sources};

pub(super) fn run(args: Args, settings: &Settings) -> Result<Exit, Failure> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let inventory = load::inventory(settings, &mut sources, &mut problems)?;
    let Some(inventory) = problems.none_or(inventory) else {
        return Err(load::problems_failure(&problems, &sources));
    };
    match args {
        Args::List => list(&inventory, settings),
        Args::Hosts { pattern } => hosts(&inventory, &pattern, settings)?,
    }
    Ok(Exit::Done)
}

fn list(inventory: &Inventory, settings: &Settings) {
    let list = inventory.to_list_json();
    if settings.json() {
        super::print(&list.to_string());
    } else {
        super::print(&format!("{list:#}"));
    }
}

fn hosts(inventory: &Inventory, pattern: &str, settings: &Settings) -> Result<(), Failure> {
    let selected = pattern.parse().and_then(|pattern| inventory.select(&pattern));
    let hosts = selected
        .map_err(|error| Failure::usage(format!("`{pattern}` cannot be used")).because(error.to_string()))?;
    if settings.json() {
        let hosts: Vec<Value> = hosts.iter().map(|host| json!(host)).collect();
        let line = json!({"time": jiff::Timestamp::now(), "event": "inventory.hosts", "pattern": pattern, "hosts": hosts});
        super::print(&line.to_string());
    } else {
        hosts.iter().for_each(|host| super::print(host.as_str()));
        if hosts.is_empty() {
            super::remark(settings, "no host matches");
        }
    }
    Ok(())
}
