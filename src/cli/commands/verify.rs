//! `certwave verify`

use crate::cli::args::VerifyArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::operations::Problem;
use crate::operations::verify::{VerifyRequest, verify};
use crate::report::view::VerifyReport;

pub(super) fn run(args: &VerifyArgs, settings: &Settings) -> Result<Exit, Failure> {
    let request = VerifyRequest {
        what: args.what.clone(),
        limit: args.limit.clone(),
        inventory: settings.inventory.clone(),
        parallel: args.parallel.into(),
    };
    let verified = Run::default().operation(settings, async |context| {
        verify(context, &request).await.map_err(|error| match &error.problem {
            Problem::NeverVerified(_) => {
                Failure::from(error).hint(format!("`certwave rollout {}` rolls it out", args.what))
            }
            _ => error.into(),
        })
    })?;
    let report = VerifyReport {
        rollout: &verified.rollout,
        certificate: &verified.name,
        set: &verified.wanted.set,
        hosts: &verified.hosts,
    };
    settings.printer().show(&report);
    Ok(if report.is_proven() { Exit::Done } else { Exit::Failed })
}
