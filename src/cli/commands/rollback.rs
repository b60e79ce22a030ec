//! `certwave rollback`

use crate::cli::args::RollbackArgs;
use crate::cli::conclude::{conclude, driven};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::operations::load::load;
use crate::operations::rollback::{RollbackRequest, rollback};

pub(super) fn run(args: &RollbackArgs, settings: &Settings) -> Result<Exit, Failure> {
    let plan = load(&settings.inventory, &args.playbook, args.limit.as_deref())?.plan;
    let (playbook, to, accept) = (args.playbook.display().to_string(), args.to.clone(), args.accept.clone());
    let request = RollbackRequest { plan, playbook, to, accept };
    let printer = settings.printer();
    Run { yes: args.yes, ..Run::default() }.operation(settings, async |context| {
        let ended = rollback(context, request).await.map_err(|error| driven(error, printer))?;
        conclude(&ended, printer)
    })
}
