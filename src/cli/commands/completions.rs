//! `certwave completions`

use clap::CommandFactory;

use crate::cli::args::{Args, Completions};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;

pub(super) fn run(args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "certwave", &mut script);
    crate::cli::commands::print(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}
