//! `certwave show`

use super::super::args::Show;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::find;
use super::super::replay::{Replayed, replay};
use super::super::settings::Settings;
use crate::report::{JsonReporter, Summary, line};
use crate::rollout::State;

pub(super) fn run(args: &Show, settings: &Settings) -> Result<Exit, Failure> {
    let journal = settings.store()?.journal()?;
    let rollout = find::named(&args.rollout, journal.rollouts()?)?;
    let Replayed { plan, events, .. } = replay(&journal, &rollout)?;
    if settings.json() {
        let reporter = JsonReporter::new(rollout.id.clone(), plan.schedule.clone());
        let mut state = State::new(&plan.schedule);
        for (time, event) in &events {
            state.evolve(*time, event);
            super::print(&reporter.object(*time, event, &state).to_string());
        }
        return Ok(Exit::Done);
    }
    super::print(&format!("rollout {} of {} {}", rollout.id, rollout.certificate, rollout.version));
    super::print(&format!(
        "playbook {}, started {}",
        rollout.playbook,
        rollout.started.strftime("%Y-%m-%d %H:%M:%SZ")
    ));
    super::print("");
    for (time, event) in &events {
        if let Some(line) = line(*time, event, settings.verbosity > 0) {
            super::print(&format!("{} {line}", time.strftime("%H:%M:%SZ")));
        }
    }
    let summary = Summary::of(&plan.schedule, &events);
    super::print("");
    super::print(&summary.table());
    super::print("");
    summary.reasons().iter().for_each(|reason| super::print(reason));
    let outcome =
        summary.outcome.map_or("not finished".to_owned(), |outcome| outcome.name().replace('_', " "));
    super::print(&format!("{outcome}: {}", summary.fleet()));
    Ok(Exit::Done)
}
