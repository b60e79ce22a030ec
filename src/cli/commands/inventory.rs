//! `certwave inventory`

use serde_json::{Value, json};

use crate::cli::args::Inventory as Args;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::load;
use crate::cli::settings::Settings;
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
        crate::cli::commands::print(&list.to_string());
    } else {
        crate::cli::commands::print(&format!("{list:#}"));
    }
}

fn hosts(inventory: &Inventory, pattern: &str, settings: &Settings) -> Result<(), Failure> {
    let selected = pattern.parse().and_then(|pattern| inventory.select(&pattern));
    let hosts = selected
        .map_err(|error| Failure::usage(format!("`{pattern}` cannot be used")).because(error.to_string()))?;
    if settings.json() {
        let hosts: Vec<Value> = hosts.iter().map(|host| json!(host)).collect();
        let line = json!({"time": jiff::Timestamp::now(), "event": "inventory.hosts", "pattern": pattern, "hosts": hosts});
        crate::cli::commands::print(&line.to_string());
    } else {
        hosts.iter().for_each(|host| crate::cli::commands::print(host.as_str()));
        if hosts.is_empty() {
            crate::cli::commands::remark(settings, "no host matches");
        }
    }
    Ok(())
}
