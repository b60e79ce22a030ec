//! What was written down, and that it is as it was.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ledger::{Fact, FactKind};
use crate::model::OperationId;
use crate::report::facts::fact_line;
use crate::report::view::View;

/// A fact, with its place in the journal.
#[derive(Debug, Clone, Copy)]
pub struct AuditEntry<'e> {
    /// Its number.
    pub seq: i64,
    /// When it was written down.
    pub time: Timestamp,
    /// What it belongs to.
    pub operation: &'e OperationId,
    /// What happened.
    pub fact: &'e Fact,
}

impl View for AuditEntry<'_> {
    fn text(&self, _: bool) -> String {
        let line = fact_line(self.time, self.fact);
        let time = self.time.strftime("%Y-%m-%d %H:%M:%SZ");
        format!("{:>6} {time} {} {line}", self.seq, self.operation)
    }

    /// With the time when it was written down.
    fn objects(&self, _: Timestamp) -> Vec<Value> {
        // What belongs to no rollout has an operation of its own.
        let key = if self.fact.kind() == FactKind::Rollout { "rollout" } else { "operation" };
        let mut object = json!({"time": self.time, "seq": self.seq, key: self.operation});
        if let (Some(object), Value::Object(fact)) = (object.as_object_mut(), json!(self.fact)) {
            object.extend(fact);
        }
        vec![object]
    }
}

/// A journal that is as it was written.
#[derive(Debug, Clone, Copy)]
pub struct AuditVerified {
    /// So many facts are in it.
    pub events: i64,
}

impl View for AuditVerified {
    fn text(&self, _: bool) -> String {
        format!("Audit log intact: {} events, none changed.", self.events)
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "audit.verified", "events": self.events})]
    }
}
