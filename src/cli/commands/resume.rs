//! `certwave resume`

use crate::cli::args::ResumeArgs;
use crate::cli::conclude::{conclude, driven};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::operations::resume::resume;

pub(super) fn run(args: &ResumeArgs, settings: &Settings) -> Result<Exit, Failure> {
    let printer = settings.printer();
    Run::default().operation(settings, async |context| {
        let ended = resume(context, args.rollout.as_deref()).await.map_err(|error| driven(error, printer))?;
        match ended {
            Some(ended) => conclude(&ended, printer),
            None => {
                printer.remark("No unfinished rollout to resume.");
                Ok(Exit::Done)
            }
        }
    })
}
