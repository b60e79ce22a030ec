//! `certwave audit`

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::{Audit, AuditAct};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::ledger::FactKind;
use crate::ports::Entry;
use crate::report::fact_line;
use crate::store::Journal;

pub(super) fn run(args: &Audit, settings: &Settings) -> Result<Exit, Failure> {
    let journal = settings.store()?.journal()?;
    match args.act {
        Some(AuditAct::Verify) => verify(&journal, settings),
        None => list(&journal, settings),
    }
}

/// Every fact there is.
fn list(journal: &Journal, settings: &Settings) -> Result<Exit, Failure> {
    for entry in journal.entries() {
        let entry = entry?;
        settings.printer().result(|| text(&entry), || vec![object(&entry)]);
    }
    Ok(Exit::Done)
}

fn text(entry: &Entry) -> String {
    let time = entry.time.strftime("%Y-%m-%d %H:%M:%SZ");
    format!("{:>6} {time} {} {}", entry.seq, entry.operation, fact_line(entry.time, &entry.fact))
}

fn object(entry: &Entry) -> Value {
    // What belongs to no rollout has an operation of its own.
    let key = if entry.fact.kind() == FactKind::Rollout { "rollout" } else { "operation" };
    let mut object = json!({"time": entry.time, "seq": entry.seq, key: entry.operation});
    if let (Some(object), Ok(Value::Object(event))) =
        (object.as_object_mut(), serde_json::to_value(&entry.fact))
    {
        object.extend(event);
    }
    object
}

fn verify(journal: &Journal, settings: &Settings) -> Result<Exit, Failure> {
    match journal.verify()? {
        Ok(events) => {
            settings.printer().result(
                || format!("Audit log intact: {events} events, none changed."),
                || vec![json!({"time": Timestamp::now(), "event": "audit.verified", "events": events})],
            );
            Ok(Exit::Done)
        }
        Err(tampered) => Err(Failure::new("the journal is not as it was written")
            .because(tampered.to_string())
            .hint("restore it from a backup of the state folder, or start with another state: `--state`")),
    }
}
