//! One file per command.

mod audit;
mod certificates;
mod check;
mod completions;
mod demo;
mod history;
mod init;
mod inventory;
mod lab;
mod man;
mod plan;
mod resume;
mod revoke;
mod rollback;
mod rollout;
mod scan;
mod show;
mod status;
mod steer;
mod verify;

use crate::cli::args::Command;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::operations::load::Loaded;

/// Runs a command.
pub(super) fn run(command: Command, settings: &Settings) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(&args, settings),
        Command::Lab(args) => lab::run(args, settings),
        Command::Init(args) => init::run(&args, settings),
        Command::Check(args) => check::run(&args, settings),
        Command::Plan(args) => plan::run(&args, settings),
        Command::Rollout(args) => rollout::run(&args, settings),
        Command::Resume(args) => resume::run(&args, settings),
        Command::Pause(args) => steer::pause(&args, settings),
        Command::Abort(args) => steer::abort(&args, settings),
        Command::Approve(args) => steer::approve(&args, settings),
        Command::Rollback(args) => rollback::run(&args, settings),
        Command::Certificates(args) => certificates::run(&args, settings),
        Command::Revoke(args) => revoke::run(&args, settings),
        Command::Status(args) => status::run(&args, settings),
        Command::Verify(args) => verify::run(&args, settings),
        Command::Inventory(args) => inventory::run(args, settings),
        Command::History => history::run(settings),
        Command::Show(args) => show::run(&args, settings),
        Command::Audit(args) => audit::run(&args, settings),
        Command::Completions(args) => completions::run(&args, settings),
        Command::Man(args) => man::run(&args, settings),
    }
}

/// What is worth saying of a plan, but not wrong; programs get it otherwise.
fn say_notes(loaded: &Loaded, settings: &Settings) {
    let printer = settings.printer();
    let said = loaded.notes.iter().filter(|note| printer.is_verbose() || !note.is_detail);
    said.for_each(|note| printer.aside(&format!("note: {}", note.text)));
}
