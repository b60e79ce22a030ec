//! What people read before and after the events of a rollout. Programs get the events alone.

use jiff::Timestamp;
use serde_json::Value;

use crate::report::view::View;
use crate::report::view::summary::Summary;
use crate::rollout::RolloutRecord;

/// What a rollout was about.
#[derive(Debug, Clone, Copy)]
pub struct ShowHead<'r>(pub &'r RolloutRecord);

impl View for ShowHead<'_> {
    fn text(&self, _: bool) -> String {
        let RolloutRecord { id, certificate, version, playbook, started, origin, .. } = self.0;
        let (kind, by) = match origin {
            Some(origin) => (origin.kind.name(), format!(" by {}", origin.by)),
            None => ("rollout", String::new()),
        };
        let to = if kind == "rollback" { "to" } else { "of" };
        let started = started.strftime("%Y-%m-%d %H:%M:%SZ");
        format!("{kind} {id} {to} {certificate} {version}\nplaybook {playbook}, started {started}{by}\n")
    }

    fn objects(&self, _: Timestamp) -> Vec<Value> {
        Vec::new()
    }
}

/// What a rollout came to.
#[derive(Debug, Clone, Copy)]
pub struct ShowFoot<'s>(pub &'s Summary);

impl View for ShowFoot<'_> {
    fn text(&self, _: bool) -> String {
        let summary = self.0;
        let mut lines = vec![String::new(), summary.table(), String::new()];
        lines.extend(summary.reasons());
        lines.extend(summary.notes().iter().map(|note| format!("note: {note}")));
        lines.push(format!("{}: {}", summary.word(), summary.fleet()));
        lines.join("\n")
    }

    fn objects(&self, _: Timestamp) -> Vec<Value> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{Origin, RolloutKind};

    #[test]
    fn a_rollout_is_introduced_by_where_it_goes_and_who_started_it() {
        let head = |kind: Option<RolloutKind>| {
            let record = RolloutRecord {
                id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
                certificate: "a.test".parse().unwrap(),
                version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
                playbook: "a.yaml".to_owned(),
                started: Timestamp::UNIX_EPOCH,
                outcome: None,
                origin: kind.map(|kind| Origin { kind, by: "ann@here".to_owned(), hosts: 3 }),
            };
            ShowHead(&record).text(false)
        };
        let heads = [head(Some(RolloutKind::Rollout)), head(Some(RolloutKind::Rollback)), head(None)];
        insta::assert_snapshot!(heads.concat(), @"
        rollout 01ARZ3NDEKTSV4RRFFQ69G5FAV of a.test 20261123T200100Z-3f9a1c2e
        playbook a.yaml, started 1970-01-01 00:00:00Z by ann@here
        rollback 01ARZ3NDEKTSV4RRFFQ69G5FAV to a.test 20261123T200100Z-3f9a1c2e
        playbook a.yaml, started 1970-01-01 00:00:00Z by ann@here
        rollout 01ARZ3NDEKTSV4RRFFQ69G5FAV of a.test 20261123T200100Z-3f9a1c2e
        playbook a.yaml, started 1970-01-01 00:00:00Z
        ");
    }
}
