//! A rollout as its journal tells it.

use super::error::Failure;
use crate::plan::Plan;
use crate::rollout::State;
use crate::store::{Journal, RolloutRecord};

/// What was planned, and what came of it.
pub(super) struct Replayed {
    pub(super) plan: Plan,
    pub(super) state: State,
}

/// Folds the events of a rollout.
pub(super) fn replay(journal: &Journal, record: &RolloutRecord) -> Result<Replayed, Failure> {
    let plan = planned(record)?;
    let mut state = State::new(&plan.schedule);
    for event in journal.events(&record.id) {
        let (at, event) = event?;
        state.evolve(at, &event);
    }
    Ok(Replayed { plan, state })
}

/// As it was planned.
pub(super) fn planned(record: &RolloutRecord) -> Result<Plan, Failure> {
    serde_json::from_str(&record.plan)
        .map_err(|error| Failure::to(&format!("read the plan of rollout `{}`", record.id), &error))
}
