//! The rollout as two pure functions: [`State::evolve`] folds the journal's events, and [`next()`] says what
//! to record or do now. No clock, no socket, no randomness: `tests/properties` runs it in thousands of worlds.

mod baseline;
mod event;
mod foreign;
mod host;
mod lost;
mod measured;
mod next;
mod outcome;
mod patience;
mod record;
mod remark;
mod state;
mod step;
mod stop;
mod stopwatch;

pub use baseline::{Baseline, Elsewhere, Silent};
pub use event::{Deadline, Event, Origin, RefusedRollback, RolloutKind, WaveFailure};
pub use foreign::Foreign;
pub use host::{Exposure, HostPhase, HostState};
pub use measured::{Measured, Proven};
pub use next::{Action, is_decisive, next};
pub use outcome::{HostOutcome, Pause, RolloutOutcome};
pub use record::RolloutRecord;
pub use remark::Remark;
pub use state::{Phase, State};
pub use step::{
    Activated, Committed, Disproven, Inspected, Previous, Reloaded, Step, StepEnded, StepFailure, Undone,
    Verified,
};
pub use stop::Stop;
pub use stopwatch::Stopwatch;

#[cfg(test)]
mod tests;
