//! Steers a rollout from elsewhere: pause, abort, approve.

use crate::model::WaveName;
use crate::operations::Ended;
use crate::operations::history::{named, planned, replay};
use crate::operations::resume::{self, TakenUp};
use crate::operations::{Asked, Context, OperationError, Problem};
use crate::rollout::{Event, RolloutRecord};

/// Asks the rollout that a person means to finish what is in flight, and then to end until it is resumed.
///
/// # Errors
/// When it does not run.
pub fn pause(context: &Context<'_>, wanted: &str) -> Result<RolloutRecord, OperationError> {
    let record = named(context.journal.as_ref(), wanted)?;
    if !is_running(context, &record)? {
        return Err(Problem::NotRunning(record.id).into());
    }
    context.journal.command(&record.id, &Event::PauseRequested { by: context.by.clone() })?;
    Ok(record)
}

/// What became of an abort.
pub enum Aborted {
    /// The controller that runs the rollout is told.
    Told(RolloutRecord),
    /// Nobody ran it, so it was driven back here.
    Here(Box<Ended>),
}

/// Stops a rollout and rolls back as `on_failure` says: by the controller that runs it, or else by this one.
///
/// # Errors
/// When it is finished, or driving it back failed.
pub async fn abort(context: &Context<'_>, wanted: &str) -> Result<Aborted, OperationError> {
    let record = named(context.journal.as_ref(), wanted)?;
    if !record.is_unfinished() {
        let words = ": there is nothing to abort".to_owned();
        return Err(Problem::Finished { record: Box::new(record), words, asked: Asked::Abort }.into());
    }
    let running = is_running(context, &record)?;
    context.journal.command(&record.id, &Event::AbortRequested { by: context.by.clone() })?;
    if running {
        return Ok(Aborted::Told(record));
    }
    resume::take_up(context, &record, TakenUp::InPassing).await.map(|ended| Aborted::Here(Box::new(ended)))
}

/// A wave that may begin.
pub struct Approved {
    /// The rollout.
    pub record: RolloutRecord,
    /// The wave.
    pub wave: WaveName,
    /// A controller runs it, and hears of it.
    pub is_running: bool,
}

/// Lets a wave begin that asks for an approval: the first one where none is named.
///
/// # Errors
/// When none waits for it.
pub fn approve(
    context: &Context<'_>,
    wanted: &str,
    wave: Option<&WaveName>,
) -> Result<Approved, OperationError> {
    let record = named(context.journal.as_ref(), wanted)?;
    if !record.is_unfinished() {
        let words = ": nothing waits for an approval".to_owned();
        return Err(Problem::Finished { record: Box::new(record), words, asked: Asked::Approve }.into());
    }
    let plan = planned(context.journal.as_ref(), &record.id)?;
    let state = replay(context.journal.as_ref(), &record.id, &plan)?;
    let waves = plan.schedule.waves.iter().filter(|wave| state.lacks_approval(wave));
    let waiting: Vec<WaveName> = waves.map(|wave| wave.name.clone()).collect();
    let found = match wave {
        None => waiting.first().cloned(),
        Some(name) => waiting.iter().find(|wave| *wave == name).cloned(),
    };
    let Some(wave) = found else {
        let (rollout, wave) = (record.id, wave.cloned());
        return Err(Problem::NothingAwaitsApproval { rollout, wave, waiting }.into());
    };
    let approved = Event::Approved { wave: wave.clone(), by: context.by.clone() };
    context.journal.command(&record.id, &approved)?;
    let is_running = is_running(context, &record)?;
    Ok(Approved { record, wave, is_running })
}

/// Whether a controller holds the lease of its certificate.
fn is_running(context: &Context<'_>, record: &RolloutRecord) -> Result<bool, OperationError> {
    if record.outcome.is_some() {
        return Ok(false);
    }
    Ok(context.leases.holder(&record.certificate)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{World, name, version};
    use crate::ports::{Journal as _, Leases};
    use crate::rollout::RolloutOutcome::{Paused, Succeeded};

    #[test]
    fn a_rollout_that_runs_is_told_and_nobody_takes_its_lease_for_that() {
        let world = World::new();
        let id = world.rolled_out(&version(1), 1, None);
        let refused = pause(&world.context(), "last").unwrap_err();
        assert!(matches!(refused.problem, Problem::NotRunning(_)), "{refused:?}");
        let lease = world.leases.take(&name(), "rollout").unwrap();
        pause(&world.context(), "last").unwrap();
        lease.check().unwrap();
        let commands = world.journal.commands(&id).unwrap();
        assert_eq!(commands[0].event, Event::PauseRequested { by: "ann@here".to_owned() });
    }

    #[tokio::test]
    async fn what_is_finished_is_neither_aborted_nor_approved() {
        let world = World::new();
        let id = world.rolled_out(&version(1), 2, Some(Succeeded));
        let finished = |error: OperationError, of: Asked| {
            assert!(matches!(error.problem, Problem::Finished { asked, .. } if asked == of), "{error:?}");
        };
        finished(abort(&world.context(), "last").await.err().unwrap(), Asked::Abort);
        finished(approve(&world.context(), "last", None).err().unwrap(), Asked::Approve);
        assert!(world.journal.commands(&id).unwrap().is_empty());
    }

    #[test]
    fn a_wave_is_approved_that_waits_for_it() {
        let world = World::new();
        let id = world.rolled_out(&version(1), 1, Some(Paused));
        let canary = "canary".parse().unwrap();
        let other = approve(&world.context(), "last", Some(&canary)).err().unwrap();
        let Problem::NothingAwaitsApproval { waiting, .. } = other.problem else { panic!("{other:?}") };
        assert_eq!(waiting, ["production".parse().unwrap()]);
        let approved = approve(&world.context(), "last", None).unwrap();
        assert_eq!((approved.wave.as_str(), approved.is_running), ("production", false));
        assert!(
            matches!(&world.journal.commands(&id).unwrap()[0].event, Event::Approved { wave, .. } if *wave == approved.wave)
        );
    }
}
