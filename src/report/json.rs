//! One JSON object a line.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::gate::Sample;
use crate::model::OperationId;
use crate::plan::Schedule;
use crate::ports::Observer;
use crate::report::summary::{RolledOut, Summary};
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

    /// An event as the object that is printed.
    pub fn object(&self, time: Timestamp, event: &Event, state: &State) -> Value {
        let mut object = Map::new();
        let Ok(Value::Object(mut fields)) = serde_json::to_value(event) else { return Value::Null };
        object.insert("time".to_owned(), json!(time));
        object.extend(fields.shift_remove_entry("event"));
        object.insert("rollout".to_owned(), json!(self.rollout));
        if let Some(host) = fields.get("host").and_then(Value::as_str).and_then(|host| host.parse().ok())
            && let Some(number) = state.number(&host)
            && let Some(wave) = self.schedule.waves.get(self.schedule.wave_of(number))
        {
            object.insert("wave".to_owned(), json!(wave.name));
        }
        object.extend(fields);
        Value::Object(object)
    }
}

impl Observer for JsonReporter {
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State) {
        // The end is told by `finished`, with all hosts.
        for (time, event) in events.iter().filter(|(_, event)| !matches!(event, Event::Finished { .. })) {
            let object = self.object(*time, event, state);
            // Nobody reads it any more: the rollout goes on all the same.
            let _ = match self.on_stderr {
                true => writeln!(std::io::stderr(), "{object}"),
                false => writeln!(std::io::stdout(), "{object}"),
            };
        }
    }

    fn soaking(&mut self, _: &[Sample], _: Timestamp, _: Timestamp) {}
}

impl Summary {
    /// The last line of a rollout.
    pub fn to_json(&self, time: Timestamp, rollout: &OperationId, rolled_out: &RolledOut) -> Value {
        let hosts: Vec<Value> = self.hosts.iter().map(|host| json!(host)).collect();
        let RolledOut { name, version, leaf, not_after } = rolled_out;
        let certificate = json!({
            "name": name, "version": version, "fingerprint_sha256": leaf.fingerprint_sha256,
            "serial": leaf.serial, "not_after": not_after,
        });
        json!({
            "time": time, "event": "rollout.finished", "rollout": rollout,
            "outcome": self.outcome, "certificate": certificate, "hosts": hosts,
        })
    }
}
