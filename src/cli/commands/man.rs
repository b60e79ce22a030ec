//! `certwave man`

use clap::CommandFactory;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::args::{Args, Man};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;

pub(super) fn run(args: &Man, settings: &Settings) -> Result<Exit, Failure> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .map_err(|error| Failure::to(&format!("write man pages into `{}`", directory.display()), &error))?;
    settings.printer().result(
        || format!("man pages are in `{0}`: `man {0}/certwave.1`", directory.display()),
        || vec![json!({"time": Timestamp::now(), "event": "man.wrote", "directory": directory})],
    );
    Ok(Exit::Done)
}
