//! What people and programs see of a rollout, all of it drawn from the same events.

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
mod words;

pub use json::JsonReporter;
pub use plain::PlainReporter;
pub use plan::{Coming, PlanReport, PlannedCertificate};
pub use progress::ProgressReporter;
pub use scan::ServedReport;
pub use screen::screen;
pub use status::StatusReport;
pub use summary::{Certificate, HostSummary, Summary};
pub use tally::Tally;
pub use verified::VerifyReport;
pub use words::{count, failure, line};

use jiff::Timestamp;

use crate::gate::Sample;
use crate::ports::Observer;
use crate::rollout::{Event, State};

/// Any of the reporters.
pub enum Reporter {
    /// One JSON object a line, on standard output.
    Json(JsonReporter),
    /// One line an event, on standard error.
    Plain(PlainReporter),
    /// Bars, on a terminal.
    Progress(ProgressReporter),
    /// Nothing but what follows at the end.
    Quiet,
}

impl Observer for Reporter {
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State) {
        match self {
            Reporter::Json(reporter) => reporter.events(events, state),
            Reporter::Plain(reporter) => reporter.events(events, state),
            Reporter::Progress(reporter) => reporter.events(events, state),
            Reporter::Quiet => {}
        }
    }

    fn soaking(&mut self, samples: &[Sample], until: Timestamp, now: Timestamp) {
        match self {
            Reporter::Progress(reporter) => reporter.soaking(samples, until, now),
            Reporter::Plain(reporter) => reporter.soaking(samples, until, now),
            Reporter::Json(_) | Reporter::Quiet => {}
        }
    }
}
