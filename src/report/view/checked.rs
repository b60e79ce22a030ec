//! A playbook that is valid.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::format_duration;
use crate::plan::{Note, Plan, WaveSchedule};
use crate::report::count;
use crate::report::view::View;

/// A playbook that is valid, and what it comes to.
#[derive(Debug)]
pub struct CheckedPlaybook<'p> {
    /// Its path, as it was named.
    pub playbook: String,
    /// What it comes to.
    pub plan: &'p Plan,
    /// What is worth saying of it.
    pub notes: &'p [Note],
}

impl View for CheckedPlaybook<'_> {
    fn text(&self, _: bool) -> String {
        let wave = |wave: &WaveSchedule| {
            let soak = if wave.soak.is_zero() {
                String::new()
            } else {
                format!(", soak {}", format_duration(wave.soak))
            };
            format!("{} ({}{soak})", wave.name, count(wave.hosts().len(), "host"))
        };
        let Plan { certificate, schedule, .. } = self.plan;
        let waves: Vec<String> = schedule.waves.iter().map(wave).collect();
        let hosts = count(schedule.hosts.len(), "host");
        format!("{}: valid, `{}` on {hosts}: {}", self.playbook, certificate.name, waves.join(", "))
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        let Plan { certificate, schedule, .. } = self.plan;
        let wave = |wave: &WaveSchedule| json!({"wave": wave.name, "hosts": schedule.hosts[wave.hosts()]});
        let waves: Vec<Value> = schedule.waves.iter().map(wave).collect();
        let notes: Vec<&str> = self.notes.iter().map(|note| note.text.as_str()).collect();
        vec![json!({"time": time, "event": "check.passed", "playbook": self.playbook,
            "certificate": certificate.name, "waves": waves, "notes": notes})]
    }
}
