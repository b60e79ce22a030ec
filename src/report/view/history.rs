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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{RolloutKind, RolloutOutcome};

    #[test]
    fn each_rollout_is_a_line_and_an_object_with_how_it_ended() {
        let record = |outcome, origin| RolloutRecord {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            certificate: "a.test".parse().unwrap(),
            version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
            playbook: "a.yaml".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            outcome,
            origin,
        };
        let origin = |kind| Some(Origin { kind, by: "ann@here".to_owned(), hosts: 3 });
        let history = History(vec![
            record(None, origin(RolloutKind::Rollout)),
            record(Some(RolloutOutcome::NeedsAttention), origin(RolloutKind::Rollback)),
            // Of an earlier certwave.
            record(Some(RolloutOutcome::Succeeded), None),
        ]);
        let objects: Vec<String> = history.objects(Timestamp::MAX).iter().map(Value::to_string).collect();
        insta::assert_snapshot!(format!("{}\n\n{}", history.text(false), objects.join("\n")), @r#"
         ROLLOUT                     STARTED               KIND      CERTIFICATE  VERSION                    HOSTS  BY        OUTCOME
         01ARZ3NDEKTSV4RRFFQ69G5FAV  1970-01-01 00:00:00Z  rollout   a.test       20261123T200100Z-3f9a1c2e  3      ann@here  not finished
         01ARZ3NDEKTSV4RRFFQ69G5FAV  1970-01-01 00:00:00Z  rollback  a.test       20261123T200100Z-3f9a1c2e  3      ann@here  needs attention
         01ARZ3NDEKTSV4RRFFQ69G5FAV  1970-01-01 00:00:00Z  -         a.test       20261123T200100Z-3f9a1c2e  -      -         succeeded

        {"time":"1970-01-01T00:00:00Z","event":"rollout","rollout":"01ARZ3NDEKTSV4RRFFQ69G5FAV","certificate":"a.test","version":"20261123T200100Z-3f9a1c2e","playbook":"a.yaml","outcome":null,"kind":"rollout","by":"ann@here","hosts":3}
        {"time":"1970-01-01T00:00:00Z","event":"rollout","rollout":"01ARZ3NDEKTSV4RRFFQ69G5FAV","certificate":"a.test","version":"20261123T200100Z-3f9a1c2e","playbook":"a.yaml","outcome":"needs_attention","kind":"rollback","by":"ann@here","hosts":3}
        {"time":"1970-01-01T00:00:00Z","event":"rollout","rollout":"01ARZ3NDEKTSV4RRFFQ69G5FAV","certificate":"a.test","version":"20261123T200100Z-3f9a1c2e","playbook":"a.yaml","outcome":"succeeded","kind":null,"by":null,"hosts":null}
        "#);
        assert_eq!(History(Vec::new()).text(false), "");
    }
}
