//! `certwave show`

use crate::cli::args::ShowArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::operations::history::{named, planned};
use crate::ports::Journal as _;
use crate::report::Tally;
use crate::report::view::{RolloutEvent, ShowFoot, ShowHead};

pub(super) fn run(args: &ShowArgs, settings: &Settings) -> Result<Exit, Failure> {
    let journal = settings.store()?.journal()?;
    let record = named(&journal, &args.rollout)?;
    let plan = planned(&journal, &record.id)?;
    let printer = settings.printer();
    printer.show(&ShowHead(&record));
    let (rollout, schedule) = (&record.id, &plan.schedule);
    let mut tally = Tally::new(schedule);
    for event in journal.events(rollout) {
        let (time, event) = event?;
        tally.take_in(time, &event);
        printer.show(&RolloutEvent { rollout, schedule, state: tally.state(), time, event: &event });
    }
    printer.show(&ShowFoot(&tally.summary()));
    Ok(Exit::Done)
}
