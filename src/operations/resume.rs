//! Takes a rollout up where its journal ends.

use crate::certificate::CertificateSet;
use crate::operations::Ended;
use crate::operations::certificates::{self, still_valid};
use crate::operations::drive::ReadyRollout;
use crate::operations::history::{named, planned, replay};
use crate::operations::payloads::payloads;
use crate::operations::{Asked, Context, Left, News, OperationError, Problem, ledger};
use crate::plan::check;
use crate::ports::Command;
use crate::rollout::{Event, RolloutRecord, State};

/// Takes up the rollout that a person means; without a name, the only one that is unfinished. None where all are
/// finished.
///
/// # Errors
/// When no such rollout can be resumed, or the drive itself failed.
pub async fn resume(context: &Context<'_>, wanted: Option<&str>) -> Result<Option<Ended>, OperationError> {
    let Some(record) = choose(context, wanted)? else { return Ok(None) };
    take_up(context, &record, TakenUp::ByName).await.map(Some)
}

fn choose(context: &Context<'_>, wanted: Option<&str>) -> Result<Option<RolloutRecord>, OperationError> {
    let rollouts = context.journal.rollouts()?;
    let Some(wanted) = wanted else {
        let mut unfinished = unfinished(rollouts);
        return match unfinished.len() {
            0 | 1 => Ok(unfinished.pop()),
            _ => Err(Problem::SeveralUnfinished(unfinished).into()),
        };
    };
    let record = named(context.journal.as_ref(), wanted)?;
    let newest = rollouts.into_iter().find(|one| one.certificate == record.certificate);
    if let Some(newest) = newest.filter(|newest| newest.id != record.id) {
        return Err(Problem::Followed { record: Box::new(record), newest: newest.id }.into());
    }
    match record.outcome {
        Some(outcome) if !record.is_unfinished() => {
            let words = format!(": {}", outcome.name().replace('_', " "));
            Err(Problem::Finished { record: Box::new(record), words, asked: Asked::Resume }.into())
        }
        _ => Ok(Some(record)),
    }
}

/// The newest rollout of each certificate, where something of it is left to be done. A later rollout of the
/// same certificate has taken an earlier one's place. `rollouts` are newest first.
fn unfinished(rollouts: Vec<RolloutRecord>) -> Vec<RolloutRecord> {
    let mut seen = Vec::new();
    let newest = rollouts.into_iter().filter(|rollout| {
        let new = !seen.contains(&rollout.certificate);
        if new {
            seen.push(rollout.certificate.clone());
        }
        new
    });
    newest.filter(RolloutRecord::is_unfinished).collect()
}

/// Who wants a rollout to be taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakenUp {
    /// A person who knows about it: what was asked before counts no more.
    ByName,
    /// Another operation. Who asked it to pause, or to stop, is heard.
    InPassing,
}

/// With its plan, its certificate, and what hosts are found to be.
pub(super) async fn take_up(
    context: &Context<'_>,
    record: &RolloutRecord,
    taken_up: TakenUp,
) -> Result<Ended, OperationError> {
    let (id, journal) = (record.id.clone(), context.journal.as_ref());
    let lease = context.lease(&record.certificate, &id)?;
    if taken_up == TakenUp::ByName {
        journal.forget_pauses(&id)?;
    }
    let plan = planned(journal, &id)?;
    let broken = check(&plan);
    if !broken.is_empty() {
        let problem = Problem::BrokenPlan;
        return Err(OperationError { problem, causes: broken, left: Some(Left::Untouched) });
    }
    let state = replay(journal, &id, &plan)?;
    let set = certificate(context, record, goes_back(&state, &journal.commands(&id)?))?;
    context.progress.say(&News::Resumes { record: record.clone() });
    let (playbook, prober) = (record.playbook.clone(), context.prober(&plan)?);
    let payloads = payloads(&plan, &set)?;
    ReadyRollout { id, playbook, plan, prober, set, payloads, lease }.resume(context).await
}

/// Whether no further host gets the certificate: a wave failed, or somebody asked to abort.
fn goes_back(state: &State, commands: &[Command]) -> bool {
    let aborts = |command: &Command| matches!(command.event, Event::AbortRequested { .. });
    state.failed || commands.iter().any(aborts)
}

/// The certificate that the rollout was about. Going back does not need it to be valid still, or not revoked.
fn certificate(
    context: &Context<'_>,
    record: &RolloutRecord,
    goes_back: bool,
) -> Result<CertificateSet, OperationError> {
    let required = still_valid(if goes_back { record.started } else { context.now() });
    let (store, name, version) = (context.certificates, &record.certificate, &record.version);
    let versions = ledger::versions(context.journal.as_ref(), name)?;
    let fit = if goes_back { Ok(()) } else { certificates::not_revoked(&versions, name, version) };
    fit.and_then(|()| certificates::proven(store, name, version, &required)).map_err(|error| {
        let (record, why) = (Box::new(record.clone()), Box::new(error.problem));
        OperationError { problem: Problem::UnfitToResume { record, why }, ..error }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::RevocationFact;
    use crate::model::{OperationId, RevocationReason};
    use crate::operations::testing::{World, version};
    use crate::ports::Journal as _;
    use crate::rollout::RolloutOutcome::{Interrupted, Paused, Succeeded};
    use crate::rollout::{Pause, RolloutOutcome};

    fn chosen(world: &World, wanted: Option<&str>) -> Result<Option<String>, OperationError> {
        Ok(choose(&world.context(), wanted)?.map(|record| record.id.to_string()))
    }

    #[test]
    fn only_the_newest_rollout_of_a_certificate_can_be_resumed_and_only_if_something_is_left() {
        let world = World::new();
        assert_eq!(chosen(&world, None).unwrap(), None);
        assert!(matches!(chosen(&world, Some("last")).unwrap_err().problem, Problem::NoRollout(_)));
        let first = world.rolled_out(&version(1), 1, Some(Interrupted)).to_string();
        assert_eq!(chosen(&world, None).unwrap(), Some(first.clone()));
        let second = world.rolled_out(&version(1), 2, None).to_string();
        assert_eq!(chosen(&world, None).unwrap(), Some(second.clone()));
        let followed = chosen(&world, Some(&first)).unwrap_err();
        assert!(matches!(followed.problem, Problem::Followed { newest, .. } if newest.as_str() == second));
        assert!(matches!(chosen(&world, Some("0")).unwrap_err().problem, Problem::Ambiguous { .. }));
        let third = world.rolled_out(&version(1), 2, Some(Succeeded)).to_string();
        assert_eq!(chosen(&world, None).unwrap(), None);
        let finished = chosen(&world, Some(&third.to_ascii_lowercase())).unwrap_err();
        assert!(matches!(finished.problem, Problem::Finished { .. }), "{finished:?}");
    }

    #[tokio::test]
    async fn a_certificate_that_is_gone_or_revoked_resumes_nothing() {
        let world = World::new();
        let id = world.rolled_out(&version(1), 1, Some(Paused));
        let gone = resume(&world.context(), Some(id.as_str())).await.unwrap_err();
        let Problem::UnfitToResume { why, record } = gone.problem else { panic!("{gone:?}") };
        assert!(matches!(*why, Problem::NoVersion { .. }), "{why:?}");
        assert_eq!(record.id, id);
        // One that was revoked since is no better.
        world.keep(&version(1), 20);
        let (certificate, reason) = (record.certificate.clone(), RevocationReason::KeyCompromise);
        world.note(RevocationFact::Noted { certificate, version: version(1), reason });
        let revoked = resume(&world.context(), Some(id.as_str())).await.unwrap_err();
        let Problem::UnfitToResume { why, .. } = revoked.problem else { panic!("{revoked:?}") };
        assert!(matches!(*why, Problem::Revoked { .. }), "{why:?}");
        // A plan that breaks a rule is not even looked at.
        let mut plan = world.plan();
        plan.hosts.iter_mut().for_each(|host| host.services.clear());
        let broken = world.rolled_out_as(&plan, &version(1), 1, Some(Paused));
        let refused = resume(&world.context(), Some(broken.as_str())).await.unwrap_err();
        assert!(matches!(refused.problem, Problem::BrokenPlan), "{refused:?}");
        // The lease is free again.
        assert_eq!(crate::ports::Leases::holder(&world.leases, &record.certificate).unwrap(), None);
    }

    /// The last event of a rollout's journal.
    fn ended(world: &World, id: &OperationId) -> Option<Event> {
        world.journal.events(id).map(|event| event.unwrap().1).last()
    }

    #[tokio::test]
    async fn who_resumes_a_rollout_by_its_name_takes_back_what_was_asked_before() {
        let world = World::new();
        world.keep(&version(1), 20);
        let id = world.rolled_out(&version(1), 1, Some(Paused));
        world.journal.command(&id, &Event::PauseRequested { by: "ann".to_owned() }).unwrap();
        resume(&world.context(), Some("last")).await.unwrap();
        let approval = Pause::Approval { wave: "production".parse().unwrap() };
        assert_eq!(ended(&world, &id), Some(Event::paused(approval)));
        // Another operation that takes it up hears it.
        world.journal.command(&id, &Event::PauseRequested { by: "ann".to_owned() }).unwrap();
        take_up(&world.context(), &world.record(&id), TakenUp::InPassing).await.unwrap();
        assert_eq!(ended(&world, &id), Some(Event::paused(Pause::By { by: "ann".to_owned() })));
    }

    #[test]
    fn a_certificate_has_to_be_good_for_the_way_forward_alone() {
        let world = World::new();
        world.keep(&version(1), 20);
        let id = world.rolled_out(&version(1), 1, Some(Paused));
        let fits = |goes_back| certificate(&world.context(), &world.record(&id), goes_back).is_ok();
        assert!(fits(false) && fits(true));
        world.revoke(&version(1));
        assert!(!fits(false) && fits(true));
    }

    #[test]
    fn a_rollout_goes_back_once_a_wave_failed_or_somebody_asked_to_abort_it() {
        let mut state = State::new(&World::new().plan().schedule);
        let asked = |event: Event| [Command { number: 1, event }];
        let abort = asked(Event::AbortRequested { by: "ann".to_owned() });
        let pause = asked(Event::PauseRequested { by: "ann".to_owned() });
        assert!(!goes_back(&state, &[]) && !goes_back(&state, &pause) && goes_back(&state, &abort));
        state.failed = true;
        assert!(goes_back(&state, &[]));
    }

    #[tokio::test]
    async fn a_rollout_whose_certificate_was_revoked_goes_no_further() {
        let world = World::new();
        world.keep(&version(1), 20);
        world.rolled_out(&version(1), 1, Some(Paused));
        world.revoke(&version(1));
        let refused = resume(&world.context(), Some("last")).await.unwrap_err();
        let Problem::UnfitToResume { why, .. } = refused.problem else { panic!("{refused:?}") };
        assert!(matches!(*why, Problem::Revoked { .. }), "{why:?}");
    }

    #[test]
    fn only_the_newest_rollout_of_each_certificate_is_left_to_be_done() {
        let world = World::new();
        let id = world.rolled_out(&version(1), 1, None);
        let record = |certificate: &str, outcome| RolloutRecord {
            certificate: certificate.parse().unwrap(),
            outcome,
            ..world.record(&id)
        };
        let left = |rollouts: &[(&str, Option<RolloutOutcome>)]| -> Vec<String> {
            let all = rollouts.iter().map(|(name, outcome)| record(name, *outcome)).collect();
            unfinished(all).iter().map(|one| format!("{} {:?}", one.certificate, one.outcome)).collect()
        };
        // Newest first.
        let of_two = left(&[("a", Some(Succeeded)), ("b", Some(Paused)), ("a", Some(Paused)), ("b", None)]);
        assert_eq!(of_two, ["b Some(Paused)"]);
        assert_eq!(left(&[("a", None), ("b", Some(Interrupted))]), ["a None", "b Some(Interrupted)"]);
    }
}
