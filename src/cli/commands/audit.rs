//! `certwave audit`

use crate::cli::args::{AuditAct, AuditArgs};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::ports::Entry;
use crate::report::view::{AuditEntry, AuditVerified};
use crate::store::Journal;

pub(super) fn run(args: &AuditArgs, settings: &Settings) -> Result<Exit, Failure> {
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
        let Entry { seq, operation, time, fact } = &entry;
        settings.printer().show(&AuditEntry { seq: *seq, time: *time, operation, fact });
    }
    Ok(Exit::Done)
}

fn verify(journal: &Journal, settings: &Settings) -> Result<Exit, Failure> {
    match journal.verify()? {
        Ok(events) => {
            settings.printer().show(&AuditVerified { events });
            Ok(Exit::Done)
        }
        Err(tampered) => Err(Failure::new("the journal is not as it was written")
            .because(tampered.to_string())
            .hint("restore it from a backup of the state folder, or start with another state: `--state`")),
    }
}
