//! `certwave show`

use super::super::args::Show;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::find;
use super::super::replay::planned;
use super::super::settings::Settings;
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
            super::print(&reporter.object(time, &event, &state).to_string());
        }
        return Ok(Exit::Done);
    }
    let (kind, by) = match &rollout.origin {
        Some(origin) => (origin.kind.name(), format!(" by {}", origin.by)),
        None => ("rollout", String::new()),
    };
    let to = if kind == "rollback" { "to" } else { "of" };
    super::print(&format!("{kind} {} {to} {} {}", rollout.id, rollout.certificate, rollout.version));
    super::print(&format!(
        "playbook {}, started {}{by}",
        rollout.playbook,
        rollout.started.strftime("%Y-%m-%d %H:%M:%SZ")
    ));
    super::print("");
    let mut tally = Tally::new(&plan.schedule);
    for event in journal.events(&rollout.id) {
        let (time, event) = event?;
        tally.take_in(time, &event);
        if let Some(line) = line(time, &event, settings.verbosity > 0) {
            super::print(&format!("{} {line}", time.strftime("%H:%M:%SZ")));
        }
    }
    let summary = tally.summary();
    super::print("");
    super::print(&summary.table());
    super::print("");
    summary.reasons().iter().for_each(|reason| super::print(reason));
    summary.notes().iter().for_each(|note| super::print(&format!("note: {note}")));
    super::print(&format!("{}: {}", summary.word(), summary.fleet()));
    Ok(Exit::Done)
}
