//! One JSON object a line.

use jiff::Timestamp;

use crate::gate::Sample;
use crate::model::OperationId;
use crate::plan::Schedule;
use crate::ports::Observer;
use crate::report::Out;
use crate::report::view::RolloutEvent;
use crate::rollout::{Event, State};

/// Writes events as JSON lines, on standard output.
#[derive(Debug)]
pub struct JsonReporter {
    rollout: OperationId,
    schedule: Schedule,
    /// As log lines, beside results for people.
    on_stderr: bool,
}

impl JsonReporter {
    /// For one rollout.
    pub fn new(rollout: OperationId, schedule: Schedule) -> Self {
        Self { rollout, schedule, on_stderr: false }
    }

    /// On standard error: what a log in JSON gets, where results are for people.
    pub fn on_stderr(self) -> Self {
        Self { on_stderr: true, ..self }
    }
}

impl Observer for JsonReporter {
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State) {
        let (rollout, schedule) = (&self.rollout, &self.schedule);
        // The end is told by `view::RolloutEnd`, with all hosts.
        for (time, event) in events.iter().filter(|(_, event)| !matches!(event, Event::Finished { .. })) {
            let object = RolloutEvent { rollout, schedule, state, time: *time, event }.object();
            let out = if self.on_stderr { Out::Remark } else { Out::Result };
            out.object(&object);
        }
    }

    fn soaking(&mut self, _: &[Sample], _: Timestamp, _: Timestamp) {}
}
