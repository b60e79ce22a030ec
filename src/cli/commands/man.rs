//! `certwave man`

use clap::CommandFactory;

use super::super::args::{Args, Man};
use super::super::error::Failure;
use super::super::exit::Exit;

pub(super) fn run(args: &Man) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &args.directory))
        .map_err(|error| {
            Failure::to(&format!("write man pages into `{}`", args.directory.display()), &error)
        })?;
    super::print(&format!("man pages are in `{0}`: `man {0}/certwave.1`", args.directory.display()));
    Ok(Exit::Done)
}
