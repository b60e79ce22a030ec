//! A rollout as its journal tells it.

use jiff::Timestamp;

use super::error::Failure;
use crate::plan::Plan;
use crate::rollout::{Event, State};
use crate::store::{Journal, RolloutRecord};

/// What was planned, what happened, and what that comes to.
pub(super) struct Replayed {
    pub(super) plan: Plan,
    pub(super) events: Vec<(Timestamp, Event)>,
    pub(super) state: State,
}

/// Folds the events of a rollout.
pub(super) fn replay(journal: &Journal, record: &RolloutRecord) -> Result<Replayed, Failure> {
    let plan: Plan = serde_json::from_str(&record.plan)
        .map_err(|error| Failure::to(&format!("read the plan of rollout `{}`", record.id), &error))?;
    let events = journal.events(&record.id)?;
    let mut state = State::new(&plan.schedule);
    events.iter().for_each(|(at, event)| state.evolve(*at, event));
    Ok(Replayed { plan, events, state })
}
