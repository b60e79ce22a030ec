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
