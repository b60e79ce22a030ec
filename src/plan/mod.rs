//! What a rollout will do, as data with no choice left in it.

mod schedule;

pub use schedule::{OnFailure, Schedule, WaveSchedule, batches};
