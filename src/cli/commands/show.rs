//! `certwave show`

use crate::cli::args::Show;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::find;
use crate::cli::replay::planned;
use crate::cli::settings::Settings;
use crate::report::{JsonReporter, Tally, line};
use crate::rollout::State;

pub(super) fn run(args: &Show, settings: &Settings) -> Result<Exit, Failure> {
    let journal = settings.store()?.journal()?;
    let rollout = find::named(&args.rollout, journal.rollouts()?)?;
    let plan = planned(&journal, &rollout)?;
    if settings.json() {
        let reporter = JsonReporter::new(rollout.id.clone(), plan.schedule.clone());
        let mut state = State::new(&plan.schedule);
        for event in journal.events(&rollout.id) {
            let (time, event) = event?;
            state.evolve(time, &event);
            crate::cli::commands::print(&reporter.object(time, &event, &state).to_string());
        }
        return Ok(Exit::Done);
    }
    let (kind, by) = match &rollout.origin {
        Some(origin) => (origin.kind.name(), format!(" by {}", origin.by)),
        None => ("rollout", String::new()),
    };
    let to = if kind == "rollback" { "to" } else { "of" };
    crate::cli::commands::print(&format!(
        "{kind} {} {to} {} {}",
        rollout.id, rollout.certificate, rollout.version
    ));
    crate::cli::commands::print(&format!(
        "playbook {}, started {}{by}",
        rollout.playbook,
        rollout.started.strftime("%Y-%m-%d %H:%M:%SZ")
    ));
    crate::cli::commands::print("");
    let mut tally = Tally::new(&plan.schedule);
    for event in journal.events(&rollout.id) {
        let (time, event) = event?;
        tally.take_in(time, &event);
        if let Some(line) = line(time, &event, settings.verbosity > 0) {
            crate::cli::commands::print(&format!("{} {line}", time.strftime("%H:%M:%SZ")));
        }
    }
    let summary = tally.summary();
    crate::cli::commands::print("");
    crate::cli::commands::print(&summary.table());
    crate::cli::commands::print("");
    summary.reasons().iter().for_each(|reason| crate::cli::commands::print(reason));
    summary.notes().iter().for_each(|note| crate::cli::commands::print(&format!("note: {note}")));
    crate::cli::commands::print(&format!("{}: {}", summary.word(), summary.fleet()));
    Ok(Exit::Done)
}
