//! `certwave show`

use crate::cli::args::Show;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::operations::history::{named, planned};
use crate::ports::Journal as _;
use crate::report::{JsonReporter, Tally, line};
use crate::rollout::RolloutRecord;

pub(super) fn run(args: &Show, settings: &Settings) -> Result<Exit, Failure> {
    let journal = settings.store()?.journal()?;
    let record = named(&journal, &args.rollout)?;
    let plan = planned(&journal, &record.id)?;
    let printer = settings.printer();
    printer.text(|| header(&record));
    let reporter = JsonReporter::new(record.id.clone(), plan.schedule.clone());
    let mut tally = Tally::new(&plan.schedule);
    for event in journal.events(&record.id) {
        let (time, event) = event?;
        tally.take_in(time, &event);
        let text = || {
            let line = line(time, &event, printer.is_verbose());
            line.map(|line| format!("{} {line}", time.strftime("%H:%M:%SZ"))).unwrap_or_default()
        };
        printer.result(text, || vec![reporter.object(time, &event, tally.state())]);
    }
    let summary = tally.summary();
    printer.text(|| {
        let mut lines = vec![String::new(), summary.table(), String::new()];
        lines.extend(summary.reasons());
        lines.extend(summary.notes().iter().map(|note| format!("note: {note}")));
        lines.push(format!("{}: {}", summary.word(), summary.fleet()));
        lines.join("\n")
    });
    Ok(Exit::Done)
}

fn header(record: &RolloutRecord) -> String {
    let (kind, by) = match &record.origin {
        Some(origin) => (origin.kind.name(), format!(" by {}", origin.by)),
        None => ("rollout", String::new()),
    };
    let to = if kind == "rollback" { "to" } else { "of" };
    let RolloutRecord { id, certificate, version, playbook, started, .. } = record;
    let started = started.strftime("%Y-%m-%d %H:%M:%SZ");
    format!("{kind} {id} {to} {certificate} {version}\nplaybook {playbook}, started {started}{by}\n")
}
