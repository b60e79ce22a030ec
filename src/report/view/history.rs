//! All rollouts.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::report::view::View;
use crate::report::view::table::table;
use crate::rollout::{Origin, RolloutRecord};

/// All rollouts, newest first.
#[derive(Debug, Clone)]
pub struct History(pub Vec<RolloutRecord>);

impl View for History {
    fn text(&self, _: bool) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let row = |rollout: &RolloutRecord| {
            let origin = |word: fn(&Origin) -> String| rollout.origin.as_ref().map_or("-".to_owned(), word);
            [
                rollout.id.to_string(),
                rollout.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                origin(|origin| origin.kind.name().to_owned()),
                rollout.certificate.to_string(),
                rollout.version.to_string(),
                origin(|origin| origin.hosts.to_string()),
                origin(|origin| origin.by.clone()),
                rollout.outcome.map_or("not finished".to_owned(), |outcome| outcome.name().replace('_', " ")),
            ]
        };
        table(
            &["ROLLOUT", "STARTED", "KIND", "CERTIFICATE", "VERSION", "HOSTS", "BY", "OUTCOME"],
            self.0.iter().map(row),
        )
    }

    /// Each with the time when it started.
    fn objects(&self, _: Timestamp) -> Vec<Value> {
        let object = |rollout: &RolloutRecord| {
            let origin = rollout.origin.as_ref();
            json!({"time": rollout.started, "event": "rollout", "rollout": rollout.id,
                "certificate": rollout.certificate, "version": rollout.version, "playbook": rollout.playbook,
                "outcome": rollout.outcome, "kind": origin.map(|origin| origin.kind),
                "by": origin.map(|origin| &origin.by), "hosts": origin.map(|origin| origin.hosts)})
        };
        self.0.iter().map(object).collect()
    }
}
