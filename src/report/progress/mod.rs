//! A rollout while it runs: whatever is shown of its events as they happen.

mod bars;
mod json;
mod plain;

pub use bars::ProgressReporter;
pub use json::JsonReporter;
pub use plain::PlainReporter;

use jiff::Timestamp;

use crate::gate::Sample;
use crate::ports::Observer;
use crate::rollout::{Event, State};

/// Shows nothing but what follows at the end.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Observer for Quiet {
    fn events(&mut self, _: &[(Timestamp, Event)], _: &State) {}

    fn soaking(&mut self, _: &[Sample], _: Timestamp, _: Timestamp) {}
}
