//! One file per command.

mod audit;
mod certificates;
mod check;
mod completions;
mod demo;
mod history;
mod init;
mod inventory;
pub(super) mod issue;
mod lab;
mod man;
mod plan;
mod planned;
mod resume;
mod revoke;
mod rollback;
mod rollout;
mod served;
mod show;
mod status;
mod steer;
mod verify;

use crate::cli::args::Command;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::{print, remark};
use crate::cli::settings::Settings;

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
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// A connection is a file: as many as the system lets us have. A lower limit is met as hosts that cannot be
/// reached, which says so.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The runtime that commands which talk to the world run on.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    raise_open_files();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::to("start", &error))
}
