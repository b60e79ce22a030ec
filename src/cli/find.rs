//! Which rollout is meant.

use serde_json::json;

use crate::cli::error::Failure;
use crate::rollout::RolloutOutcome;
use crate::store::RolloutRecord;

/// `last`, or the start of a name that only one has. `rollouts` are newest first.
pub(super) fn named(wanted: &str, rollouts: Vec<RolloutRecord>) -> Result<RolloutRecord, Failure> {
    let upper = wanted.to_ascii_uppercase();
    let mut matching =
        rollouts.into_iter().filter(|rollout| wanted == "last" || rollout.id.as_str().starts_with(&upper));
    let none =
        || Failure::usage(format!("there is no rollout `{wanted}`")).hint("`certwave history` lists them");
    let first = matching.next().ok_or_else(none)?;
    match matching.next() {
        Some(second) if wanted != "last" => Err(Failure::usage(format!(
            "`{wanted}` is the start of {} and {}",
            json!(first.id),
            json!(second.id)
        ))
        .hint("type one letter more")),
        _ => Ok(first),
    }
}

/// The newest rollout of each certificate, where something of it is left to be done. A later rollout of the
/// same certificate has taken an earlier one's place.
pub(super) fn unfinished(rollouts: Vec<RolloutRecord>) -> Vec<RolloutRecord> {
    let mut seen = Vec::new();
    let newest = rollouts.into_iter().filter(|rollout| {
        let new = !seen.contains(&rollout.certificate);
        if new {
            seen.push(rollout.certificate.clone());
        }
        new
    });
    newest.filter(|rollout| is_unfinished(rollout.outcome)).collect()
}

/// Whether a rollout that ended so can be gone on with. None: its controller died.
pub(super) fn is_unfinished(outcome: Option<RolloutOutcome>) -> bool {
    match outcome {
        None => true,
        Some(outcome) => matches!(
            outcome,
            RolloutOutcome::Incomplete
                | RolloutOutcome::Interrupted
                | RolloutOutcome::Paused
                | RolloutOutcome::NeedsAttention
        ),
    }
}
