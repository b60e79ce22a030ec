//! What people and programs see of a rollout, all of it drawn from the same events.

mod facts;
mod grouped;
mod json;
mod plain;
mod plan;
mod plan_json;
mod progress;
mod scan;
mod screen;
mod status;
mod summary;
mod tally;
mod verified;
pub mod view;
mod words;

pub use facts::fact_line;
pub use json::JsonReporter;
pub use plain::PlainReporter;
pub use plan::{Coming, PlanReport, PlannedCertificate};
pub use progress::ProgressReporter;
pub use scan::ServedReport;
pub use screen::screen;
pub use status::StatusReport;
pub use summary::{HostSummary, RolledOut, Summary};
pub use tally::Tally;
pub use verified::VerifyReport;
pub use words::{count, failure, line};

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
