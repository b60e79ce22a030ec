//! One line an event: what a log file or a pipe gets.

use jiff::Timestamp;

use crate::gate::Sample;
use crate::ports::Observer;
use crate::report::{Out, words};
use crate::rollout::{Event, State};

/// Writes lines to standard error.
#[derive(Debug, Default)]
pub struct PlainReporter {
    verbose: bool,
}

impl PlainReporter {
    /// With `verbose`, every step has its line.
    pub fn new(verbose: bool) -> Self {
        Self { verbose }
    }
}

impl Observer for PlainReporter {
    fn events(&mut self, events: &[(Timestamp, Event)], _: &State) {
        for (time, event) in events {
            if let Some(line) = words::line(*time, event, self.verbose) {
                Out::Remark.text(&format!("{} {line}", time.strftime("%H:%M:%SZ")));
            }
        }
    }

    fn soaking(&mut self, _: &[Sample], _: Timestamp, _: Timestamp) {}
}
