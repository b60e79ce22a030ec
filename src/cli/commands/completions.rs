//! `certwave completions`

use clap::CommandFactory;

use crate::cli::args::{Args, CompletionsArgs};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;

pub(super) fn run(args: &CompletionsArgs, settings: &Settings) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "certwave", &mut script);
    let script = String::from_utf8_lossy(&script);
    settings.printer().script(script.trim_end());
    Ok(Exit::Done)
}
