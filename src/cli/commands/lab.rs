//! `certwave lab`

use comfy_table::{Table, presets};
use serde_json::json;

use crate::cli::args::Lab as Args;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::lab::{Lab, LabHandle, LabOptions};

pub(super) fn run(args: Args, settings: &Settings) -> Result<Exit, Failure> {
    match args {
        Args::Up { hosts, haproxy, envoy, directory } => {
            let options = LabOptions {
                hosts: usize::from(hosts),
                haproxy: usize::from(haproxy),
                envoy: usize::from(envoy),
                directory: Some(directory.clone()),
                soak: "15s".to_owned(),
            };
            // A Ctrl-C must not leave servers behind that nobody wrote down.
            let runtime = crate::cli::commands::runtime()?;
            let cancel = {
                let _inside = runtime.enter();
                crate::cli::carry_out::cancel_on_signal()?
            };
            let lab = Lab::start(&options).map_err(|error| Failure::to("start the lab", &error))?;
            if *cancel.borrow() {
                drop(lab);
                let ended = std::fs::remove_dir_all(&directory);
                ended.map_err(|error| Failure::to("remove what was begun", &error))?;
                return Err(Failure {
                    exit: Exit::Interrupted,
                    ..Failure::new("interrupted; every server has ended again")
                });
            }
            let (inventory, playbook) = (lab.inventory(), lab.playbook());
            let handle = lab.detach().map_err(|error| Failure::to("keep the lab", &error))?;
            let state = format!("sqlite:{}", handle.directory().join("state").display());
            if settings.json() {
                let line = json!({"time": jiff::Timestamp::now(), "event": "lab.up", "directory": handle.directory(),
                    "inventory": inventory, "playbook": playbook, "state": state});
                crate::cli::commands::print(&line.to_string());
                return Ok(Exit::Done);
            }
            crate::cli::commands::print(&format!(
                "export CERTWAVE_INVENTORY={} CERTWAVE_STATE={state}",
                inventory.display()
            ));
            crate::cli::commands::print(&format!("certwave rollout {}", playbook.display()));
            crate::cli::commands::remark(
                settings,
                &format!(
                    "\n{} hosts run; the two lines above are what to type. `certwave lab down --directory {}` ends them",
                    hosts + haproxy + envoy,
                    directory.display()
                ),
            );
        }
        Args::Status { directory } => {
            let handle =
                LabHandle::open(&directory).map_err(|error| Failure::to("look at the lab", &error))?;
            let servers = handle.status();
            let all = servers.iter().all(|server| server.running);
            if settings.json() {
                let line = json!({"time": jiff::Timestamp::now(), "event": "lab.status", "servers": servers});
                crate::cli::commands::print(&line.to_string());
            } else {
                let mut table = Table::new();
                table.load_style(presets::NOTHING);
                table.set_header(["SERVER", "PID", "STATE"]);
                for server in servers {
                    let state = if server.running { "runs" } else { "has ended" };
                    table.add_row([server.name, server.pid.to_string(), state.to_owned()]);
                }
                table.lines().for_each(|line| crate::cli::commands::print(line.trim_end()));
            }
            return Ok(if all { Exit::Done } else { Exit::Failed });
        }
        Args::Down { directory } => {
            let handle = LabHandle::open(&directory).map_err(|error| Failure::to("end the lab", &error))?;
            handle.down().map_err(|error| Failure::to("end the lab", &error))?;
            crate::cli::commands::remark(settings, "every server has ended, and the folder is gone");
        }
    }
    Ok(Exit::Done)
}
