//! What a rollout will do, as data with no choice left in it.

mod schedule;

pub use crate::playbook::OnFailure;

pub use schedule::{Schedule, WaveSchedule, batches};
