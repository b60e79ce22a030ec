//! The rollout as two pure functions: [`State::evolve`] folds the journal's events, and [`next()`] says what
//! to record or do now. No clock, no socket, no randomness: `tests/properties` runs it in thousands of worlds.

mod event;
mod host;
mod next;
mod outcome;
mod state;
mod stop;
mod stopwatch;

pub use event::{
    Deadline, Event, Measured, Origin, Previous, RefusedRollback, Remark, RolloutKind, Step, StepResult,
    Undone, WaveFailure,
};
pub use host::{Exposure, HostPhase, HostState};
pub use next::{Action, next};
pub use outcome::{HostOutcome, Pause, RolloutOutcome};
pub use state::{Phase, State};
pub use stop::Stop;
pub use stopwatch::Stopwatch;
