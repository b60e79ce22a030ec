//! `certwave history`

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::ports::Journal as _;
use crate::report::view::History;

pub(super) fn run(settings: &Settings) -> Result<Exit, Failure> {
    let history = History(settings.store()?.journal()?.rollouts()?);
    let printer = settings.printer();
    printer.show(&history);
    if history.0.is_empty() {
        printer.aside("no rollout yet");
    }
    Ok(Exit::Done)
}
