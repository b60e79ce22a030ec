//! A plan, for programs: a line for each host, and one for the whole.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::plan::{HostIndex, HostRange, WaveSchedule};
use crate::preview::{Preview, Risk, Seen};
use crate::report::view::plan::certificate::PlannedCertificate;
use crate::report::view::plan::ways::way_of;

/// What would become of a host.
pub(super) fn host(preview: &Preview<'_>, number: HostIndex, time: Timestamp) -> Value {
    let (schedule, plan) = (&preview.plan.schedule, &preview.plan.hosts[number]);
    let seen = match number.of(preview.seen) {
        Seen::Host(host) => json!(host),
        Seen::Missed(_) => Value::Null,
    };
    let links: Vec<Value> =
        plan.install.links.iter().map(|(path, file)| json!({"path": path, "file": file})).collect();
    let copies = plan.install.copies.iter().map(|copy| json!({"path": copy.path, "from": copy.file}));
    let copies: Vec<Value> = copies.collect();
    let services: Vec<Value> = plan
        .services
        .iter()
        .map(|service| {
            let way = way_of(service, number.of(preview.seen));
            json!({"service": service.name, "kind": service.spec.kind(), "way": way, "actions": service.spec.actions(),
                "endpoints": service.endpoints})
        })
        .collect();
    let mut line = json!({
        "time": time, "event": "plan.host", "host": schedule.hosts[number],
        "wave": schedule.waves[schedule.wave_of(number)].name,
        "address": plan.login.address, "port": plan.login.port,
    });
    if let (Value::Object(line), Value::Object(change)) = (&mut line, json!(number.of(&preview.changes))) {
        line.extend(change);
        line.insert("steps".to_owned(), json!(preview.fastest.steps[number]));
        line.insert("seen".to_owned(), seen);
        line.insert("directory".to_owned(), json!(plan.install.layout.directory()));
        line.insert("links".to_owned(), json!(links));
        line.insert("copies".to_owned(), json!(copies));
        line.insert("services".to_owned(), json!(services));
        let risks: Vec<Value> = number.of(&preview.host_risks).iter().map(risk).collect();
        line.insert("risks".to_owned(), json!(risks));
    }
    line
}

/// What it comes to.
pub(super) fn whole(preview: &Preview<'_>, certificate: &PlannedCertificate, time: Timestamp) -> Value {
    let waves: Vec<Value> = preview.plan.schedule.waves.iter().map(wave).collect();
    let now: Vec<Value> =
        certificate.now.iter().map(|(version, leaf)| json!({"version": version, "leaf": leaf})).collect();
    json!({
        "time": time, "event": "plan.finished",
        "certificate": {"name": certificate.name, "why": certificate.why, "in_store": now, "next": certificate.next},
        "changes": preview.has_changes(), "changing": preview.changing(),
        "hosts": preview.changes.len(), "outcome": preview.fastest.outcome, "waves": waves,
        "on_failure": preview.plan.schedule.on_failure, "windows": preview.plan.schedule.windows,
        "risks": preview.risks.iter().map(risk).collect::<Vec<_>>(),
        "seconds_at_least": preview.fastest.takes.as_secs(),
        "seconds_at_most": preview.slowest.takes.as_secs(),
    })
}
fn wave(wave: &WaveSchedule) -> Value {
    json!({
        "wave": wave.name, "hosts": wave.hosts().len(),
        "batches": wave.batches.iter().map(HostRange::len).collect::<Vec<_>>(),
        "parallel": wave.parallel, "max_failures": wave.max_failures, "soak_seconds": wave.soak.as_secs(),
        "approval": wave.approval,
    })
}

/// Its fields, and in words.
fn risk(risk: &Risk) -> Value {
    let mut value = json!(risk);
    if let Value::Object(fields) = &mut value {
        fields.insert("text".to_owned(), json!(risk.to_string()));
    }
    value
}
