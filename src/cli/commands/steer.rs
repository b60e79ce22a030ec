//! `certwave pause`, `abort` and `approve`: steering a rollout from another terminal.

use crate::cli::args::{ApproveArgs, SteerArgs};
use crate::cli::conclude::{conclude, driven};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::operations::steer::{self, Aborted, Approved, PauseAsked};

/// Finishes what is in flight, then ends; `resume` goes on.
pub(super) fn pause(args: &SteerArgs, settings: &Settings) -> Result<Exit, Failure> {
    let PauseAsked { record, is_heard } = Run::default()
        .operation(settings, async |context| Ok(steer::pause(context, &args.rollout).await?))?;
    let text = if is_heard {
        format!("rollout {} will pause: hosts in flight are finished first", record.id)
    } else {
        format!(
            "the controller of rollout {} ended before it heard of that: the rollout stays paused, and \
             `certwave resume {}` continues it",
            record.id, record.id
        )
    };
    settings.printer().remark(&text);
    Ok(Exit::Done)
}

/// Stops it and rolls back as `on_failure` says.
pub(super) fn abort(args: &SteerArgs, settings: &Settings) -> Result<Exit, Failure> {
    let printer = settings.printer();
    Run::default().operation(settings, async |context| {
        let aborted = steer::abort(context, &args.rollout).await.map_err(|error| driven(error, printer))?;
        match aborted {
            Aborted::Here(ended) => conclude(&ended, printer),
            Aborted::Told(record) => {
                printer.remark(&format!("rollout {} will stop and roll back", record.id));
                Ok(Exit::Done)
            }
        }
    })
}

/// Lets a wave begin that asks for an approval.
pub(super) fn approve(args: &ApproveArgs, settings: &Settings) -> Result<Exit, Failure> {
    let Approved { record, wave, is_running } = Run::default().operation(settings, async |context| {
        Ok(steer::approve(context, &args.rollout, args.wave.as_ref())?)
    })?;
    let next =
        if is_running { String::new() } else { format!("; `certwave resume {}` continues it", record.id) };
    settings.printer().remark(&format!("wave `{wave}` of rollout {} is approved{next}", record.id));
    Ok(Exit::Done)
}
