//! The end of a rollout: the table and a sentence, or the last line of JSON, and what the shell is told.

use jiff::Timestamp;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::operations::Ended;
use crate::operations::{OperationError, Problem};
use crate::rollout::RolloutOutcome;

/// Shows how a rollout ended. Where that is not what was wanted, people get it as an error.
pub(super) fn conclude(ended: &Ended, printer: Printer) -> Result<Exit, Failure> {
    let Ended { id, playbook, certificate, summary } = ended;
    let outcome = summary.outcome.unwrap_or(RolloutOutcome::NeedsAttention);
    printer.object(|| summary.to_json(Timestamp::now(), id, certificate));
    let undone = outcome == RolloutOutcome::RolledBack && summary.undo;
    let exit = if undone { Exit::Done } else { outcome.into() };
    if printer.is_json() {
        return Ok(exit);
    }
    if !printer.is_quiet() {
        printer.text(|| format!("\n{}\n", summary.table()));
    }
    summary.notes().iter().for_each(|note| printer.remark(&format!("note: {note}")));
    let sentence = summary.sentence(certificate);
    if exit == Exit::Done {
        printer.text(|| format!("{}: {sentence}", summary.word()));
        return Ok(exit);
    }
    let mut failure = Failure::new(sentence);
    failure.causes = summary.reasons();
    failure.state = Some(summary.fleet());
    failure.hint = Some(match outcome {
        RolloutOutcome::Paused if summary.awaits_approval() => {
            format!("`certwave approve {id}`, then `certwave resume {id}`")
        }
        RolloutOutcome::Paused | RolloutOutcome::Interrupted | RolloutOutcome::Incomplete => {
            format!("`certwave resume {id}` finishes it; hosts that are done stay as they are")
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
    let so_far = match &error.problem {
        Problem::Journal { so_far: Some(ended), .. } if printer.is_json() => {
            let mut line = ended.summary.to_json(Timestamp::now(), &ended.id, &ended.certificate);
            line["error"] = error.problem.to_string().into();
            Some(line)
        }
        _ => None,
    };
    let mut failure = Failure::from(error);
    if let Some(line) = so_far {
        printer.object(|| line);
        failure.is_told = true;
    }
    failure
}
