//! `certwave audit`

use serde_json::{Value, json};

use crate::cli::args::{Audit, AuditAct};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::report::line;
use crate::store::Journal;

pub(super) fn run(args: &Audit, settings: &Settings) -> Result<Exit, Failure> {
    let journal = settings.store()?.journal()?;
    match args.act {
        Some(AuditAct::Verify) => verify(&journal, settings),
        None => list(&journal, settings),
    }
}

/// Every event there is.
fn list(journal: &Journal, settings: &Settings) -> Result<Exit, Failure> {
    for entry in journal.entries() {
        let entry = entry?;
        if settings.json() {
            let mut object = json!({"time": entry.time, "seq": entry.seq, "rollout": entry.rollout});
            if let (Some(object), Ok(Value::Object(event))) =
                (object.as_object_mut(), serde_json::to_value(&entry.event))
            {
                object.extend(event);
            }
            crate::cli::commands::print(&object.to_string());
        } else if let Some(line) = line(entry.time, &entry.event, true) {
            let time = entry.time.strftime("%Y-%m-%d %H:%M:%SZ");
            crate::cli::commands::print(&format!("{:>6} {time} {} {line}", entry.seq, entry.rollout));
        }
    }
    Ok(Exit::Done)
}

fn verify(journal: &Journal, settings: &Settings) -> Result<Exit, Failure> {
    match journal.verify()? {
        Ok(events) => {
            if settings.json() {
                crate::cli::commands::print(
                    &json!({"time": jiff::Timestamp::now(), "event": "audit.verified", "events": events})
                        .to_string(),
                );
            } else {
                crate::cli::commands::print(&format!("Audit log intact: {events} events, none changed."));
            }
            Ok(Exit::Done)
        }
        Err(tampered) => {
            let mut failure =
                Failure::new("the journal is not as it was written").because(tampered.to_string());
            failure.hint = Some(
                "what `certwave status` says of the hosts does not depend on it; a backup of the state folder may have the rest"
                    .to_owned(),
            );
            Err(failure)
        }
    }
}
