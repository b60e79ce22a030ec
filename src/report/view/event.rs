//! An event of a rollout.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::model::OperationId;
use crate::plan::Schedule;
use crate::report::view::View;
use crate::report::words::line;
use crate::rollout::{Event, State};

/// An event of a rollout.
#[derive(Debug, Clone, Copy)]
pub struct RolloutEvent<'e> {
    /// Of which rollout.
    pub rollout: &'e OperationId,
    /// Its waves.
    pub schedule: &'e Schedule,
    /// What it came to so far.
    pub state: &'e State,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub event: &'e Event,
}

impl RolloutEvent<'_> {
    /// As the object that is printed.
    pub fn object(&self) -> Value {
        let mut object = Map::new();
        let Ok(Value::Object(mut fields)) = serde_json::to_value(self.event) else { return Value::Null };
        object.insert("time".to_owned(), json!(self.time));
        object.extend(fields.shift_remove_entry("event"));
        object.insert("rollout".to_owned(), json!(self.rollout));
        if let Some(host) = fields.get("host").and_then(Value::as_str).and_then(|host| host.parse().ok())
            && let Some(number) = self.state.number(&host)
            && let Some(wave) = self.schedule.waves.get(self.schedule.wave_of(number))
        {
            object.insert("wave".to_owned(), json!(wave.name));
        }
        object.extend(fields);
        Value::Object(object)
    }
}

impl View for RolloutEvent<'_> {
    fn text(&self, verbose: bool) -> String {
        let line = line(self.time, self.event, verbose);
        line.map(|line| format!("{} {line}", self.time.strftime("%H:%M:%SZ"))).unwrap_or_default()
    }

    /// With the time when it happened.
    fn objects(&self, _: Timestamp) -> Vec<Value> {
        vec![self.object()]
    }
}
