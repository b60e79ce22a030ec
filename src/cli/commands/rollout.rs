//! `certwave rollout`

use std::path::Path;

use crate::cli::args::RolloutArgs;
use crate::cli::conclude::{conclude, driven};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::operations::load::{Loaded, load};
use crate::operations::rollout::{RolloutRequest, rollout};
use crate::operations::saved_plan;

pub(super) fn run(args: &RolloutArgs, settings: &Settings) -> Result<Exit, Failure> {
    let (saved, loaded, playbook) = match (&args.plan, &args.playbook) {
        (Some(path), _) => {
            let (saved, loaded) = saved_plan::take_up(path, jiff::Timestamp::now())?;
            let playbook = saved.saved.playbook.path.clone();
            (Some(saved), loaded, playbook)
        }
        (None, Some(playbook)) => {
            let mut loaded = load(&settings.inventory, playbook, args.limit.as_deref())?;
            loaded.accept(&args.accept)?;
            (None, loaded, playbook.display().to_string())
        }
        (None, None) => return Err(Failure::usage("there is no playbook to roll out")),
    };
    super::say_notes(&loaded, settings);
    let Loaded { plan, .. } = loaded;
    let (force, version) = (args.force, args.certificate.clone());
    let request = RolloutRequest { plan, saved, playbook, force, version };
    let printer = settings.printer();
    Run { yes: args.yes, ..Run::default() }.operation(settings, async |context| {
        let ended = rollout(context, request).await.map_err(|error| driven(error, printer))?;
        conclude(&ended, printer)
    })
}

/// Rolls out a playbook without asking: what the demo does.
pub(super) fn run_unasked(playbook: &Path, settings: &Settings) -> Result<Exit, Failure> {
    let args = RolloutArgs {
        playbook: Some(playbook.to_owned()),
        plan: None,
        force: false,
        certificate: None,
        limit: None,
        accept: Vec::new(),
        yes: true,
    };
    run(&args, settings)
}
