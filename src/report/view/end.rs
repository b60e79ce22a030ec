//! The end of a rollout.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::OperationId;
use crate::report::view::View;
use crate::report::view::summary::{RolledOut, Summary};

/// How a rollout ended: a sentence, or its last line.
#[derive(Debug, Clone)]
pub struct RolloutEnd<'e> {
    /// Which.
    pub rollout: &'e OperationId,
    /// What it was about.
    pub certificate: &'e RolledOut,
    /// How it went.
    pub summary: &'e Summary,
    /// Why its journal does not have all of this, where it could not be written.
    pub error: Option<String>,
}

impl View for RolloutEnd<'_> {
    fn text(&self, _: bool) -> String {
        format!("{}: {}", self.summary.word(), self.summary.sentence(self.certificate))
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        let RolledOut { name, version, leaf, not_after } = self.certificate;
        let certificate = json!({
            "name": name, "version": version, "fingerprint_sha256": leaf.fingerprint_sha256,
            "serial": leaf.serial, "not_after": not_after,
        });
        let mut line = json!({
            "time": time, "event": "rollout.finished", "rollout": self.rollout,
            "outcome": self.summary.outcome, "certificate": certificate, "hosts": self.summary.hosts.iter().collect::<Vec<_>>(),
        });
        if let Some(error) = &self.error {
            line["error"] = json!(error);
        }
        vec![line]
    }
}

/// The hosts of a rollout that ended. Programs find them in its last line.
#[derive(Debug, Clone, Copy)]
pub struct HostTable<'s>(pub &'s Summary);

impl View for HostTable<'_> {
    fn text(&self, _: bool) -> String {
        format!("\n{}\n", self.0.table())
    }

    fn objects(&self, _: Timestamp) -> Vec<Value> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Leaf;
    use crate::certificate::testing::Authority;
    use crate::rollout::RolloutOutcome;

    #[test]
    fn the_last_line_has_the_fields_of_the_interface() {
        let leaf = Leaf::from(&Authority::new("Root").certificate);
        let certificate = RolledOut {
            name: "a.test".parse().unwrap(),
            version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
            leaf: leaf.clone(),
            not_after: "2027-02-21T20:01:00Z".parse().unwrap(),
        };
        let (outcome, hosts) = (Some(RolloutOutcome::Failed), std::iter::empty().collect());
        let summary = Summary { outcome, hosts, pause: None, back: false, undo: false, failure: None };
        let rollout = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let error = Some("the disk is full".to_owned());
        let end = RolloutEnd { rollout: &rollout, certificate: &certificate, summary: &summary, error };
        let line = end.objects(Timestamp::UNIX_EPOCH).remove(0).to_string();
        let line = line
            .replace(&leaf.fingerprint_sha256.to_string(), "<fingerprint>")
            .replace(leaf.serial.as_str(), "<serial>");
        insta::assert_snapshot!(line, @r#"{"time":"1970-01-01T00:00:00Z","event":"rollout.finished","rollout":"01ARZ3NDEKTSV4RRFFQ69G5FAV","outcome":"failed","certificate":{"name":"a.test","version":"20261123T200100Z-3f9a1c2e","fingerprint_sha256":"<fingerprint>","serial":"<serial>","not_after":"2027-02-21T20:01:00Z"},"hosts":[],"error":"the disk is full"}"#);
    }
}
