//! A rollout as its journal tells it.

use crate::cli::error::Failure;
use crate::plan::Plan;
use crate::rollout::State;
use crate::store::{Journal, RolloutRecord};

/// What came of a rollout: its events, folded. `plan` is its own.
pub(super) fn replay(journal: &Journal, record: &RolloutRecord, plan: &Plan) -> Result<State, Failure> {
    let mut state = State::new(&plan.schedule);
    for event in journal.events(&record.id) {
        let (at, event) = event?;
        state.evolve(at, &event);
    }
    Ok(state)
}

/// A rollout as it was planned.
pub(super) fn planned(journal: &Journal, record: &RolloutRecord) -> Result<Plan, Failure> {
    serde_json::from_str(&journal.plan(&record.id)?.unwrap_or_default())
        .map_err(|error| Failure::to(&format!("read the plan of rollout `{}`", record.id), &error))
}
