//! `certwave lab`

use crate::cli::args::LabAct;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::runtime;
use crate::cli::settings::Settings;
use crate::cli::signal::cancel_on_signal;
use crate::lab::{Lab, LabHandle, LabOptions, ServerStatus};
use crate::report::view::{LabServer, LabServers, LabUp};

pub(super) fn run(args: LabAct, settings: &Settings) -> Result<Exit, Failure> {
    match args {
        LabAct::Up { hosts, haproxy, envoy, directory } => {
            let options = LabOptions {
                hosts: usize::from(hosts),
                haproxy: usize::from(haproxy),
                envoy: usize::from(envoy),
                directory: Some(directory.clone()),
                soak: "15s".to_owned(),
            };
            // A Ctrl-C must not leave servers behind that nobody wrote down.
            let runtime = runtime()?;
            let cancel = {
                let _inside = runtime.enter();
                cancel_on_signal()?
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
            let printer = settings.printer();
            printer.show(&LabUp { directory: handle.directory().to_owned(), inventory, playbook, state });
            printer.aside(&format!(
                "\n{} hosts run; the two lines above are what to type. `certwave lab down --directory {}` ends them",
                hosts + haproxy + envoy,
                directory.display()
            ));
        }
        LabAct::Status { directory } => {
            let handle =
                LabHandle::open(&directory).map_err(|error| Failure::to("look at the lab", &error))?;
            let servers = handle.status();
            let all = servers.iter().all(|server| server.running);
            let shown = |ServerStatus { name, pid, running }| LabServer { name, pid, running };
            settings.printer().show(&LabServers(servers.into_iter().map(shown).collect()));
            return Ok(if all { Exit::Done } else { Exit::Failed });
        }
        LabAct::Down { directory } => {
            let handle = LabHandle::open(&directory).map_err(|error| Failure::to("end the lab", &error))?;
            handle.down().map_err(|error| Failure::to("end the lab", &error))?;
            settings.printer().remark("every server has ended, and the folder is gone");
        }
    }
    Ok(Exit::Done)
}
