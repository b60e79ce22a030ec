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
use crate::operations::payloads::payloads;
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
            let undo = undo(now, &plan, accept);
            (set, plan.undo(undo), BackTo::Before { version: last.version })
        }
    };
    context.progress.say(&News::GoesBack { name, to });
    confirm(context, &Question::PutBack { hosts: plan.hosts.len() }).await?;
    let prober = context.prober(&plan)?;
    let payloads = payloads(&plan, &set)?;
    ReadyRollout { id, playbook, plan, prober, set, payloads, lease }.begin(context).await
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

/// How far each host may go back on its own way.
fn undo(now: Timestamp, plan: &Plan, accepted: Vec<Version>) -> Undo {
    let lasts_until = renewed_by(now, plan).unwrap_or(Timestamp::MAX);
    Undo { lasts_until, accepted }
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
    use crate::certificate::testing::now;
    use crate::operations::testing::{World, name, version};
    use crate::rollout::RolloutOutcome::{Interrupted, Paused, RolledBack, Succeeded};

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

        world.revoke(&version(3));
        assert_eq!(to(&world).unwrap(), version(1).to_string());
        world.revoke(&version(1));
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

    fn seconds(of: u64) -> Duration {
        Duration::from_secs(of)
    }

    #[test]
    fn a_renewal_takes_the_time_of_every_turn_and_every_soak_and_an_hour_at_least() {
        let world = World::new();
        let takes = |change: fn(&mut Plan)| {
            let mut plan = world.plan();
            // Two waves of one host with one service: 1000 s each for its test, its reload and its proof.
            plan.hosts.iter_mut().for_each(|host| host.timeout = seconds(1_000));
            change(&mut plan);
            renewal_takes(&plan).as_secs()
        };
        assert_eq!(takes(|plan| plan.hosts.iter_mut().for_each(|host| host.timeout = seconds(1))), 3_600);
        assert_eq!(takes(|_| {}), 6_000);
        assert_eq!(takes(|plan| plan.schedule.waves[1].soak = seconds(7)), 6_007);
        let two_services = |plan: &mut Plan| {
            let service = plan.hosts[crate::plan::HostIndex::new(1)].services[0].clone();
            plan.hosts[crate::plan::HostIndex::new(1)].services.push(service);
        };
        assert_eq!(takes(two_services), 9_000);
        // Both in one wave, one after the other or together, and in two batches.
        let one_wave = |plan: &mut Plan| {
            plan.schedule.waves.truncate(1);
            plan.schedule.waves[0].batches = vec![(0..2).into()];
        };
        let [apart, together, batches] = [1, 2, 3].map(|how| {
            let mut plan = world.plan();
            plan.hosts.iter_mut().for_each(|host| host.timeout = seconds(2_000));
            one_wave(&mut plan);
            plan.schedule.waves[0].parallel = if how == 1 { 1 } else { 2 };
            if how == 3 {
                plan.schedule.waves[0].batches = vec![(0..1).into(), (1..2).into()];
            }
            renewal_takes(&plan).as_secs()
        });
        assert_eq!((apart, together, batches), (12_000, 6_000, 12_000));
    }

    #[test]
    fn what_a_fleet_goes_back_to_lasts_longer_than_a_renewal_takes() {
        let world = World::new();
        world.keep(&version(1), 1);
        let required = Requirements { names: &[], now: now(), at_least: Duration::ZERO };
        let set = certificates::proven(&world.certificates, &name(), &version(1), &required).unwrap();
        let fits = |takes: u64| {
            let mut plan = world.plan();
            plan.schedule.waves[0].soak = seconds(takes) - renewal_without_soak(&plan);
            outlives_a_renewal(&set, now(), &plan).is_ok()
        };
        assert!(fits(86_399));
        assert!(!fits(86_400), "it expires in the moment that the renewal is over");
        assert!(!fits(86_401));
        // Each host that goes back on its own way is held to the same.
        let mut plan = world.plan();
        plan.schedule.waves[0].soak = seconds(9_000) - renewal_without_soak(&plan);
        let undo = undo(now(), &plan, vec![version(2)]);
        assert_eq!(undo.lasts_until, now() + SignedDuration::from_secs(9_000));
        assert_eq!(undo.accepted, [version(2)]);
    }

    /// Three time-outs of 30 s for each of two waves.
    fn renewal_without_soak(plan: &Plan) -> Duration {
        plan.hosts.iter().map(|host| host.timeout * 3).sum()
    }

    /// Why a rollback to a version does not begin.
    async fn refused(world: &World, to: Version, accept: &[Version]) -> Problem {
        let mut plan = world.plan();
        plan.schedule.waves[0].soak = seconds(2 * 86_400);
        let (playbook, accept) = ("a.yaml".to_owned(), accept.to_vec());
        let request = RollbackRequest { plan, playbook, to: Some(to), accept };
        rollback(&world.context(), request).await.unwrap_err().problem
    }

    #[tokio::test]
    async fn a_version_that_expires_soon_is_gone_back_to_only_where_it_was_accepted() {
        let world = World::new();
        world.keep(&version(1), 1);
        world.keep(&version(2), 1);
        world.rolled_out(&version(2), 2, Some(Succeeded));
        assert!(matches!(refused(&world, version(1), &[]).await, Problem::ExpiresTooSoon { .. }));
        assert!(matches!(refused(&world, version(1), &[version(2)]).await, Problem::ExpiresTooSoon { .. }));
        // It is asked about, and nobody says yes.
        assert!(matches!(refused(&world, version(1), &[version(1)]).await, Problem::NotConfirmed));
        world.revoke(&version(1));
        assert!(matches!(refused(&world, version(1), &[version(1)]).await, Problem::Revoked { .. }));
    }

    #[tokio::test]
    async fn no_rollback_begins_while_a_rollout_is_paused() {
        let world = World::new();
        (1..=2).for_each(|number| world.keep(&version(number), 20));
        world.rolled_out(&version(2), 1, Some(Paused));
        assert!(matches!(refused(&world, version(1), &[]).await, Problem::Waits(_)));
    }
}
