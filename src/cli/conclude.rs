//! The end of a rollout: the table and a sentence, or the last line of JSON, and the exit code.

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::operations::Ended;
use crate::operations::{OperationError, Problem};
use crate::report::view::{HostTable, RolloutEnd};
use crate::rollout::RolloutOutcome;

/// Shows how a rollout ended. Where that is not what was wanted, people get it as an error.
pub(super) fn conclude(ended: &Ended, printer: Printer) -> Result<Exit, Failure> {
    let Ended { id, playbook, certificate, summary } = ended;
    let outcome = summary.outcome.unwrap_or(RolloutOutcome::NeedsAttention);
    let end = RolloutEnd { rollout: id, certificate, summary, error: None };
    printer.show_objects(&end);
    let undone = outcome == RolloutOutcome::RolledBack && summary.undo;
    let exit = if undone { Exit::Done } else { outcome.into() };
    if printer.is_json() {
        return Ok(exit);
    }
    if !printer.is_quiet() {
        printer.show_text(&HostTable(summary));
    }
    summary.notes().iter().for_each(|note| printer.remark(&format!("note: {note}")));
    if exit == Exit::Done {
        printer.show_text(&end);
        return Ok(exit);
    }
    let mut failure = Failure::new(summary.sentence(certificate));
    failure.causes = summary.reasons();
    failure.state = Some(summary.fleet());
    failure.hint = Some(match outcome {
        RolloutOutcome::Paused if summary.awaits_approval() => {
            format!("`certwave approve {id}`, then `certwave resume {id}`")
        }
        RolloutOutcome::Paused | RolloutOutcome::Interrupted | RolloutOutcome::Incomplete => {
            format!("`certwave resume {id}` finishes it; hosts that are done stay as they are")
        }
        _ if summary.back => {
            format!("`certwave show {id}` tells it step by step; mend the host, then `certwave resume {id}`")
        }
        _ => format!(
            "`certwave show {id}` tells it step by step; mend the host, then `certwave rollout {playbook}`"
        ),
    });
    failure.exit = exit;
    Err(failure)
}

/// The failure of an operation that drives. What was found out until the journal failed, programs get all the same.
pub(super) fn driven(error: OperationError, printer: Printer) -> Failure {
    let is_told = match &error.problem {
        Problem::Journal { so_far: Some(ended), .. } if printer.is_json() => {
            let Ended { id, certificate, summary, .. } = ended.as_ref();
            let error = Some(error.problem.to_string());
            printer.show_objects(&RolloutEnd { rollout: id, certificate, summary, error });
            true
        }
        _ => false,
    };
    Failure { is_told, ..Failure::from(error) }
}
