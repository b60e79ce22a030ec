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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Issuance, RevocationFact};
    use crate::rollout::Event;

    #[test]
    fn a_fact_names_its_rollout_or_another_operation() {
        let certificate: crate::model::CertificateName = "a.test".parse().unwrap();
        let (version, issuer) = ("20261123T200100Z-3f9a1c2e".parse().unwrap(), "ca".to_owned());
        let validated = Issuance::Validated { certificate: certificate.clone(), issuer: issuer.clone() };
        let confirmed = RevocationFact::Confirmed { certificate, version, issuer };
        let operation = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        for (fact, key) in [
            (Fact::from(Event::Cancelled), "rollout"),
            (Fact::from(validated), "operation"),
            (Fact::from(confirmed), "operation"),
        ] {
            let time = Timestamp::UNIX_EPOCH;
            let entry = AuditEntry { seq: 7, time, operation: &operation, fact: &fact };
            // Each has the time at which it was written down, whenever it is shown.
            let object = entry.objects(Timestamp::MAX).remove(0);
            let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).take(4).collect();
            assert_eq!(keys, ["time", "seq", key, "event"]);
            assert_eq!((&object["seq"], &object["time"]), (&json!(7), &json!(time)));
            let text = entry.text(false);
            assert!(text.starts_with("     7 1970-01-01 00:00:00Z 01ARZ3NDEKTSV4RRFFQ69G5FAV "), "{text}");
        }
    }
}
