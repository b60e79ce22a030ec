//! `certwave man`

use clap::CommandFactory;

use crate::cli::args::{Args, ManArgs};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::report::view::WrittenManual;

pub(super) fn run(args: &ManArgs, settings: &Settings) -> Result<Exit, Failure> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .map_err(|error| Failure::to(&format!("write man pages into `{}`", directory.display()), &error))?;
    settings.printer().show(&WrittenManual(directory));
    Ok(Exit::Done)
}
