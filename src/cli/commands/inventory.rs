//! `certwave inventory`

use crate::cli::args::InventoryAct;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::inventory::Inventory;
use crate::operations::{OperationError, Problem, inventory};
use crate::report::view::{InventoryList, SelectedHosts};
use crate::yaml::{Problems, Sources};

pub(super) fn run(args: InventoryAct, settings: &Settings) -> Result<Exit, Failure> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let inventory = inventory(&settings.inventory, &mut sources, &mut problems)?;
    let Some(inventory) = problems.none_or(inventory) else {
        return Err(OperationError::from(Problem::Files { problems, sources }).into());
    };
    match args {
        InventoryAct::List => {
            settings.printer().show(&InventoryList(inventory.to_list_json()));
        }
        InventoryAct::Hosts { pattern } => hosts(&inventory, &pattern, settings)?,
    }
    Ok(Exit::Done)
}

fn hosts(inventory: &Inventory, pattern: &str, settings: &Settings) -> Result<(), Failure> {
    let selected = pattern.parse().and_then(|pattern| inventory.select(&pattern));
    let hosts = selected
        .map_err(|error| Failure::usage(format!("`{pattern}` cannot be used")).because(error.to_string()))?;
    let (printer, selected) = (settings.printer(), SelectedHosts { pattern, hosts });
    printer.show(&selected);
    if selected.hosts.is_empty() {
        printer.aside("no host matches");
    }
    Ok(())
}
