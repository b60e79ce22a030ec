//! `certwave completions`

use clap::CommandFactory;

use super::super::args::{Args, Completions};
use super::super::error::Failure;
use super::super::exit::Exit;

pub(super) fn run(args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "certwave", &mut script);
    super::print(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}
