//! Puts a fleet back on what it had before.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::{CertificateSet, Requirements};
use crate::ledger::{Versions, WayBack};
use crate::model::Version;
use crate::operations::Ended;
use crate::operations::certificates;
use crate::operations::drive::ReadyRollout;
use crate::operations::history::last;
use crate::operations::rollout::{confirm, none_waits};
use crate::operations::{BackTo, Context, Left, News, OperationError, Problem, ledger};
use crate::plan::{Plan, Undo};
use crate::ports::Question;
use crate::renewal::MIN_REMAINING;
use crate::rollout::RolloutRecord;

/// What is to be put back.
pub struct RollbackRequest {
    /// The hosts, in the direction of a rollout.
    pub plan: Plan,
    /// The playbook's path, as it was named.
    pub playbook: String,
    /// The version to go back to; the one before where none is named.
    pub to: Option<Version>,
    /// Versions that may expire soon.
    pub accept: Vec<Version>,
}

/// Rolls back.
///
/// # Errors
/// When there is nothing to go back to, nothing was begun, or the journal could not be written.
pub async fn rollback(context: &Context<'_>, request: RollbackRequest) -> Result<Ended, OperationError> {
    let RollbackRequest { plan, playbook, to, accept } = request;
    let id = context.new_id()?;
    let (store, name) = (context.certificates, plan.certificate.name.clone());
    let lease = context.lease(&name, &id)?;
    none_waits(context, last(context.journal.as_ref(), &name)?.as_ref())?;
    let now = context.now();
    let versions = ledger::versions(context.journal.as_ref(), &name)?;
    let (set, plan, to) = match target(context, &versions, &plan, to)? {
        Back::To(version) => {
            let names = &plan.certificate.domains;
            let required = Requirements { names, now, at_least: Duration::ZERO };
            let set = certificates::proven(store, &name, &version, &required)?;
            certificates::not_revoked(&versions, &name, &version)?;
            if !accept.contains(&version) {
                outlives_a_renewal(&set, now, &plan)?;
            }
            let to = BackTo::Version { version, not_after: set.not_after() };
            (set, plan.back(), to)
        }
        Back::Before(last) => {
            // What is taken back need not be good any more.
            let required = certificates::still_valid(last.started);
            let set = certificates::proven(store, &name, &last.version, &required)?;
            let lasts_until = renewed_by(now, &plan).unwrap_or(Timestamp::MAX);
            let undo = Undo { lasts_until, accepted: accept };
            (set, plan.undo(undo), BackTo::Before { version: last.version })
        }
    };
    context.progress.say(&News::GoesBack { name, to });
    confirm(context, &Question::PutBack { hosts: plan.hosts.len() }).await?;
    let prober = context.prober(&plan)?;
    ReadyRollout { id, playbook, plan, prober, set, lease }.begin(context).await
}

/// Where to.
enum Back {
    /// To a version that the fleet was verified on, or that a person names.
    To(Version),
    /// Each host to what it had before the certificate that this rollout put there: the fleet was verified on none before.
    Before(RolloutRecord),
}

fn target(
    context: &Context<'_>,
    versions: &Versions,
    plan: &Plan,
    to: Option<Version>,
) -> Result<Back, OperationError> {
    if let Some(version) = to {
        return Ok(Back::To(version));
    }
    let (journal, name) = (context.journal.as_ref(), &plan.certificate.name);
    let rollouts = journal.rollouts()?.into_iter().filter(|rollout| rollout.certificate == *name);
    let mut rollouts: Vec<RolloutRecord> = rollouts.collect();
    if rollouts.is_empty() {
        return Err(Problem::NothingRolledOut(name.clone()).into());
    }
    let stored = context.certificates.versions(name)?;
    let back = ledger::fleet(journal, name)?.back(
        plan.schedule.hosts.iter(),
        |version| stored.contains(version),
        |version| versions.revocation(version).is_none(),
    );
    let nothing = |problem: Problem| Err(OperationError::from(problem).leaves(Left::Untouched));
    match back {
        WayBack::To(version) => Ok(Back::To(version)),
        WayBack::Before(version) => {
            let of_it = rollouts.into_iter().find(|rollout| rollout.version == version);
            Ok(Back::Before(of_it.ok_or(Problem::NothingRolledOut(name.clone()))?))
        }
        WayBack::Unfit(version) => nothing(Problem::AllRevoked { name: name.clone(), version }),
        WayBack::Apart => nothing(Problem::NoCommonVersion(name.clone())),
        // Asked for once more: each host is proven again.
        WayBack::Nothing if rollouts[0].is_rollback() => Ok(Back::Before(rollouts.swap_remove(0))),
        WayBack::Nothing => nothing(Problem::NothingToPutBack(name.clone())),
    }
}

/// What a fleet goes back to has to last until the next certificate is on it.
fn outlives_a_renewal(set: &CertificateSet, now: Timestamp, plan: &Plan) -> Result<(), OperationError> {
    if renewed_by(now, plan).is_some_and(|end| end < set.not_after()) {
        return Ok(());
    }
    let (version, not_after) = (set.version().clone(), set.not_after());
    let problem = Problem::ExpiresTooSoon { version, not_after, renewal_takes: renewal_takes(plan) };
    Err(OperationError::from(problem).leaves(Left::Untouched))
}

/// When a renewal that begins now is sure to be over, as far as time can be counted.
fn renewed_by(now: Timestamp, plan: &Plan) -> Option<Timestamp> {
    let takes = SignedDuration::try_from(renewal_takes(plan)).ok()?;
    now.checked_add(takes).ok()
}

/// At most: every host in its turn with all the time that it has, and every soak.
fn renewal_takes(plan: &Plan) -> Duration {
    let schedule = &plan.schedule;
    let waves = schedule.waves.iter().map(|wave| {
        let slowest = plan.hosts[wave.hosts()]
            .iter()
            .map(|host| host.timeout * 3 * u32::try_from(host.services.len()).unwrap_or(1));
        let slowest = slowest.max().unwrap_or_default();
        let turns: usize = wave.batches.iter().map(|batch| batch.len().div_ceil(wave.parallel)).sum();
        wave.soak + slowest * u32::try_from(turns).unwrap_or(u32::MAX)
    });
    MIN_REMAINING.max(waves.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::RevocationFact;
    use crate::model::RevocationReason;
    use crate::operations::testing::{World, name, version};
    use crate::rollout::RolloutOutcome::{Interrupted, RolledBack, Succeeded};

    fn to(world: &World) -> Result<String, OperationError> {
        let context = world.context();
        let versions = ledger::versions(context.journal.as_ref(), &name())?;
        target(&context, &versions, &world.plan(), None).map(|back| match back {
            Back::To(version) => version.to_string(),
            Back::Before(record) => format!("before {}", record.version),
        })
    }

    #[test]
    fn a_fleet_goes_back_to_what_it_was_verified_on_before() {
        let world = World::new();
        assert!(matches!(to(&world).unwrap_err().problem, Problem::NothingRolledOut(_)));
        (1..=4).for_each(|number| world.keep(&version(number), 20));
        world.rolled_out(&version(1), 2, Some(Succeeded));
        // Nothing older was ever rolled out: each host has something of its own.
        assert_eq!(to(&world).unwrap(), format!("before {}", version(1)));
        // Each host refused the second one, and so stands where it stood.
        world.rolled_out(&version(2), 0, Some(RolledBack));
        assert_eq!(to(&world).unwrap(), format!("before {}", version(1)));
        world.rolled_out(&version(3), 2, Some(Succeeded));
        assert_eq!(to(&world).unwrap(), version(1).to_string());
        world.rolled_out(&version(4), 1, Some(Interrupted));
        assert_eq!(to(&world).unwrap(), version(3).to_string());
        world.rolled_out(&version(4), 2, None);
        assert_eq!(to(&world).unwrap(), version(3).to_string());

        let reason = RevocationReason::KeyCompromise;
        let revoke = |version| world.note(RevocationFact::Noted { certificate: name(), version, reason });
        revoke(version(3));
        assert_eq!(to(&world).unwrap(), version(1).to_string());
        revoke(version(1));
        assert!(matches!(to(&world).unwrap_err().problem, Problem::AllRevoked { .. }));
    }

    #[tokio::test]
    async fn nothing_is_begun_without_a_yes() {
        let world = World::new();
        (1..=2).for_each(|number| world.keep(&version(number), 20));
        (1..=2).for_each(|number| drop(world.rolled_out(&version(number), 2, Some(Succeeded))));
        let request = |to: Option<Version>| RollbackRequest {
            plan: world.plan(),
            playbook: "a.yaml".to_owned(),
            to,
            accept: Vec::new(),
        };
        let refused = rollback(&world.context(), request(None)).await.unwrap_err();
        assert!(matches!(refused.problem, Problem::NotConfirmed), "{refused:?}");
        assert_eq!(world.asked(), [Question::PutBack { hosts: 2 }]);
        let [News::GoesBack { to: BackTo::Version { version: said, .. }, .. }] = &world.heard()[..] else {
            panic!("{:?}", world.heard())
        };
        assert_eq!(*said, version(1));
        // What expires before a renewal could finish is not gone back to.
        world.keep(&version(3), 0);
        let refused = rollback(&world.context(), request(Some(version(3)))).await.unwrap_err();
        assert!(
            matches!(refused.problem, Problem::Unfit { .. } | Problem::ExpiresTooSoon { .. }),
            "{refused:?}"
        );
        assert_eq!(crate::ports::Journal::rollouts(&world.journal).unwrap().len(), 2);
    }
}
