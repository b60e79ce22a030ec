//! `certwave check`

use crate::cli::args::CheckArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::operations::load::load;
use crate::report::view::CheckedPlaybook;

/// Every playbook is checked, also after one that has problems.
pub(super) fn run(args: &CheckArgs, settings: &Settings) -> Result<Exit, Failure> {
    let mut failed: Option<Failure> = None;
    for path in &args.playbooks {
        let failure: Failure = match load(&settings.inventory, path, None) {
            Ok(loaded) => {
                let playbook = path.display().to_string();
                let checked = CheckedPlaybook { playbook, plan: &loaded.plan, notes: &loaded.notes };
                settings.printer().show(&checked);
                super::say_notes(&loaded, settings);
                continue;
            }
            Err(error) => error.into(),
        };
        match &mut failed {
            None => failed = Some(failure),
            Some(first) => {
                first.report.extend(failure.report);
                first.problems.extend(failure.problems);
                if failure.message != first.message {
                    first.causes.push(format!("{}: {}", path.display(), failure.message));
                }
            }
        }
    }
    failed.map_or(Ok(Exit::Done), Err)
}
