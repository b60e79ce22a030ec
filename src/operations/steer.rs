//! Steers a rollout from elsewhere: pause, abort, approve.

use std::time::Duration;

use jiff::SignedDuration;

use crate::model::WaveName;
use crate::operations::Ended;
use crate::operations::history::{named, planned, replay};
use crate::operations::resume::{self, TakenUp};
use crate::operations::{Asked, Context, OperationError, Problem};
use crate::ports::Clock;
use crate::rollout::{Event, RolloutRecord};

/// How often is looked whether a command was heard.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Whoever has not heard it after so long hears it later, if ever: longer than a controller that hangs keeps its lease.
const PATIENCE: SignedDuration = SignedDuration::from_secs(75);

/// What became of a pause.
#[derive(Debug)]
pub struct PauseAsked {
    /// The rollout.
    pub record: RolloutRecord,
    /// Its controller heard of it. One that died before has left a rollout that stays paused until somebody resumes it.
    pub is_heard: bool,
}

/// Asks the rollout that a person means to finish what is in flight, and then to end until it is resumed.
///
/// # Errors
/// When it does not run, or was finished before it heard of that.
pub async fn pause(context: &Context<'_>, wanted: &str) -> Result<PauseAsked, OperationError> {
    let record = named(context.journal.as_ref(), wanted)?;
    if !is_running(context, &record)? {
        return Err(Problem::NotRunning(record.id).into());
    }
    let event = Event::PauseRequested { by: context.by.clone() };
    context.journal.command(&record.id, &event)?;
    let is_heard = is_heard(context, &record, &event).await?;
    let record = named(context.journal.as_ref(), record.id.as_str())?;
    if !is_heard && !record.is_unfinished() {
        context.journal.forget_pauses(&record.id)?;
        return Err(Problem::NotRunning(record.id).into());
    }
    Ok(PauseAsked { record, is_heard })
}

/// Waits until whoever drives a rollout has heard a command. It is not heard where the rollout ends before.
async fn is_heard(
    context: &Context<'_>,
    record: &RolloutRecord,
    event: &Event,
) -> Result<bool, OperationError> {
    let until = context.now() + PATIENCE;
    loop {
        let waits = context.journal.commands(&record.id)?.iter().any(|command| command.event == *event);
        if !waits {
            return Ok(true);
        }
        // Asked before the commands are read again: what is taken up at the very end counts as heard.
        if context.leases.holder(&record.certificate)?.is_none() {
            let waits = context.journal.commands(&record.id)?.iter().any(|command| command.event == *event);
            return Ok(!waits);
        }
        if context.now() >= until || context.is_cancelled() {
            return Err(Problem::NotHeard(record.id.clone()).into());
        }
        context.clock.sleep(LOOK_EVERY).await;
    }
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
    let event = Event::AbortRequested { by: context.by.clone() };
    let running = is_running(context, &record)?;
    context.journal.command(&record.id, &event)?;
    if running && is_heard(context, &record, &event).await? {
        return Ok(Aborted::Told(record));
    }
    // Nobody drives it, or it was paused before it heard of that.
    let record = named(context.journal.as_ref(), record.id.as_str())?;
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
    use crate::rollout::RolloutOutcome::{self, Paused, Succeeded};

    #[tokio::test]
    async fn a_rollout_that_runs_is_told_and_nobody_takes_its_lease_for_that() {
        let world = World::new();
        let id = world.rolled_out(&version(1), 1, None);
        let refused = pause(&world.context(), "last").await.unwrap_err();
        assert!(matches!(refused.problem, Problem::NotRunning(_)), "{refused:?}");
        let lease = world.leases.take(&name(), "rollout").unwrap();
        let asked = Event::PauseRequested { by: "ann@here".to_owned() };
        let hears = async {
            while world.journal.commands(&id).unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            let facts = [(world.context().now(), asked.clone().into())];
            world.journal.append(lease.as_ref(), &id, &facts).unwrap();
        };
        let context = world.context();
        let (paused, ()) = tokio::join!(pause(&context, "last"), hears);
        let PauseAsked { record, is_heard } = paused.unwrap();
        assert_eq!((record.id, is_heard), (id, true));
        lease.check().unwrap();
    }

    /// Asks for a pause, and the rollout is given up, as `ended`, before it hears of that.
    async fn asked_too_late(
        world: &World,
        ended: Option<RolloutOutcome>,
    ) -> Result<PauseAsked, OperationError> {
        let id = world.rolled_out(&version(1), 1, None);
        let lease = world.leases.take(&name(), "rollout").unwrap();
        let ends = async {
            while world.journal.commands(&id).unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            if let Some(outcome) = ended {
                let facts = [(world.context().now(), Event::finished(outcome).into())];
                world.journal.append(lease.as_ref(), &id, &facts).unwrap();
            }
            drop(lease);
        };
        let context = world.context();
        tokio::join!(pause(&context, "last"), ends).0
    }

    #[tokio::test]
    async fn a_rollout_that_is_over_before_it_hears_of_a_pause_is_not_called_paused() {
        let world = World::new();
        let refused = asked_too_late(&world, Some(Succeeded)).await.unwrap_err();
        let Problem::NotRunning(id) = refused.problem else { panic!("{refused:?}") };
        assert!(world.journal.commands(&id).unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_rollout_whose_controller_died_before_it_heard_of_a_pause_stays_paused() {
        let world = World::new();
        let PauseAsked { record, is_heard } = asked_too_late(&world, None).await.unwrap();
        assert!(!is_heard);
        assert_eq!(world.journal.commands(&record.id).unwrap().len(), 1);
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

    #[test]
    fn a_wave_is_approved_once() {
        let world = World::new();
        let id = world.rolled_out(&version(1), 1, Some(Paused));
        approve(&world.context(), "last", None).unwrap();
        let lease = world.leases.take(&name(), "rollout").unwrap();
        let heard = world.journal.commands(&id).unwrap().remove(0).event;
        world.journal.append(lease.as_ref(), &id, &[(world.context().now(), heard.into())]).unwrap();
        let again = approve(&world.context(), "last", None).err().unwrap();
        let Problem::NothingAwaitsApproval { waiting, .. } = again.problem else { panic!("{again:?}") };
        assert_eq!(waiting, []);
    }

    #[test]
    fn a_rollout_runs_while_it_has_not_ended_and_its_certificate_is_held() {
        for (outcome, held, runs) in [(None, true, true), (None, false, false), (Some(Paused), true, false)] {
            let world = World::new();
            let id = world.rolled_out(&version(1), 1, outcome);
            let lease = held.then(|| world.leases.take(&name(), "another rollout").unwrap());
            let running = is_running(&world.context(), &world.record(&id)).unwrap();
            assert_eq!(running, runs, "{outcome:?}, held: {held}");
            drop(lease);
        }
    }
}
