//! `certwave man`

use clap::CommandFactory;

use crate::cli::args::{Args, Man};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;

pub(super) fn run(args: &Man) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &args.directory))
        .map_err(|error| {
            Failure::to(&format!("write man pages into `{}`", args.directory.display()), &error)
        })?;
    crate::cli::commands::print(&format!(
        "man pages are in `{0}`: `man {0}/certwave.1`",
        args.directory.display()
    ));
    Ok(Exit::Done)
}
