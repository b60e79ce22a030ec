//! What the journal answers: which versions there are, what the fleet was verified on, and what each host serves.

use crate::certificate::CertificateSet;
use crate::ledger::{Fact, FleetVersions, HostEnd, Hosts, Issuance, Versions};
use crate::model::{CertificateName, HostName, OperationId, Version};
use crate::operations::history::{planned, replay};
use crate::operations::{Context, OperationError};
use crate::plan::{HostIndex, Plan, PlannedIssuer};
use crate::ports::{HeldLease, Journal};
use crate::rollout::RolloutRecord;

/// The versions of a certificate, by the journal's account.
///
/// # Errors
/// When the journal cannot be read.
pub fn versions(journal: &dyn Journal, name: &CertificateName) -> Result<Versions, OperationError> {
    let mut versions = Versions::of(name.clone());
    for entry in journal.beside_rollouts() {
        let entry = entry?;
        versions.take_in(entry.time, &entry.fact);
    }
    Ok(versions)
}

/// All rollouts of a certificate, newest first.
fn rollouts(journal: &dyn Journal, name: &CertificateName) -> Result<Vec<RolloutRecord>, OperationError> {
    Ok(journal.rollouts()?.into_iter().filter(|record| record.certificate == *name).collect())
}

/// Which versions each host was verified on.
///
/// # Errors
/// When the journal cannot be read.
pub fn fleet(journal: &dyn Journal, name: &CertificateName) -> Result<FleetVersions, OperationError> {
    let mut fleet = FleetVersions::default();
    for record in rollouts(journal, name)?.iter().rev() {
        let plan = planned(journal, &record.id)?;
        fleet.take_in(&plan.schedule.direction, &record.version, ends(journal, &record.id, &plan)?);
    }
    Ok(fleet)
}

/// How a rollout left its hosts, as far as it has.
fn ends(journal: &dyn Journal, id: &OperationId, plan: &Plan) -> Result<Vec<HostEnd>, OperationError> {
    let (state, schedule) = (replay(journal, id, plan)?, &plan.schedule);
    let end = |at: HostIndex| HostEnd {
        host: schedule.hosts[at].clone(),
        outcome: state.host(at).outcome(),
        previous: state.host(at).previous.clone(),
        passed: state.has_passed(schedule.wave_of(at)),
    };
    Ok(schedule.hosts.range().iter().map(end).collect())
}

/// What hosts serve and were verified on: these, or all that there ever were. Rollouts are read from the newest on, and no
/// further than is needed.
///
/// # Errors
/// When the journal cannot be read.
pub fn hosts(
    journal: &dyn Journal,
    name: &CertificateName,
    wanted: Option<&[HostName]>,
) -> Result<Hosts, OperationError> {
    let mut hosts = Hosts::default();
    for record in rollouts(journal, name)? {
        if wanted.is_some_and(|wanted| hosts.is_settled(wanted)) {
            break;
        }
        let plan = planned(journal, &record.id)?;
        if hosts.is_settled(&plan.schedule.hosts) {
            continue;
        }
        hosts.take_in(&record.version, ends(journal, &record.id, &plan)?);
    }
    Ok(hosts)
}

/// Adds to a plan what the journal knows of its hosts: until when what they serve is valid, and which of them were never
/// watched for long enough on `next`.
///
/// # Errors
/// When the journal cannot be read.
pub(super) fn mind_hosts(
    context: &Context<'_>,
    plan: &mut Plan,
    next: Option<&Version>,
) -> Result<(), OperationError> {
    let (name, schedule) = (&plan.certificate.name, &mut plan.schedule);
    let hosts = hosts(context.journal.as_ref(), name, Some(&schedule.hosts))?;
    if let Some(windows) = &mut schedule.windows {
        let versions = versions(context.journal.as_ref(), name)?;
        windows.served_until = hosts.served_until(schedule.hosts.iter(), next, &versions);
    }
    if let Some(next) = next {
        let unsoaked = |at: &HostIndex| hosts.is_unsoaked(&schedule.hosts[*at], next);
        schedule.unsoaked = schedule.hosts.range().iter().filter(unsoaked).collect();
    }
    Ok(())
}

/// Writes a fact of an operation that has the lease.
///
/// # Errors
/// When they cannot be written, or another controller has the lease: nothing more may be done then.
pub(super) fn note(
    context: &Context<'_>,
    lease: &dyn HeldLease,
    operation: &OperationId,
    fact: impl Into<Fact>,
) -> Result<(), OperationError> {
    Ok(context.journal.append(lease, operation, &[(context.now(), fact.into())])?)
}

/// That certificates are in the store.
pub(super) fn issued(
    name: &CertificateName,
    set: &CertificateSet,
    issuer: Option<&PlannedIssuer>,
) -> Issuance {
    let leaf = set.leaf();
    let directory = match issuer {
        Some(PlannedIssuer::Acme(acme)) => Some(acme.directory.clone()),
        Some(PlannedIssuer::Files(_)) | None => None,
    };
    Issuance::Issued {
        certificate: name.clone(),
        version: set.version().clone(),
        issuer: issuer.map(PlannedIssuer::name),
        directory,
        names: leaf.names.clone(),
        not_before: leaf.not_before,
        not_after: set.not_after(),
        fingerprints_sha256: set.leaves(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{HOSTS, World, name, version};
    use crate::rollout::Event;
    use crate::rollout::HostOutcome::{Changed, RollbackFailed, RolledBack, Unchanged, Untouched};
    use crate::rollout::RolloutOutcome::Interrupted;

    /// Of each host, what it serves and what it was verified on, by the journal's account.
    fn told(world: &World) -> Vec<(Option<Version>, Option<Version>)> {
        let hosts = hosts(&world.journal, &name(), None).unwrap();
        let of = |host: &str| {
            let host: HostName = host.parse().unwrap();
            let served =
                hosts.served_by_host().find(|(one, _)| **one == host).map(|(_, version)| version.clone());
            (served, hosts.last_verified(&host).cloned())
        };
        HOSTS.map(of).into()
    }

    #[test]
    fn each_host_serves_what_its_last_rollout_left_and_was_verified_on_what_it_proved() {
        let world = World::new();
        let on = |number| Some(version(number));
        assert_eq!(told(&world), [(None, None), (None, None)]);
        // It had something of its own before, and went back to that.
        world.ended_so(&version(1), [RolledBack, Untouched]);
        assert_eq!(told(&world), [(on(0), on(0)), (None, None)]);
        world.ended_so(&version(2), [Changed, Unchanged]);
        assert_eq!(told(&world), [(on(2), on(2)), (on(2), on(2))]);
        world.ended_so(&version(3), [RollbackFailed, Untouched]);
        assert_eq!(told(&world), [(on(3), on(2)), (on(2), on(2))]);
        world.ended_so(&version(4), [Untouched, RollbackFailed]);
        assert_eq!(told(&world), [(on(3), on(2)), (on(4), on(2))]);
        let mut other = world.plan();
        other.certificate.name = "b.test".parse().unwrap();
        world.ended_so_as(&other, &version(5), [Changed, Changed]);
        assert_eq!(told(&world), [(on(3), on(2)), (on(4), on(2))]);
    }

    #[test]
    fn a_host_was_watched_for_long_enough_when_its_own_wave_passed() {
        let world = World::new();
        let unsoaked = |version: &Version| {
            let mut plan = world.plan();
            mind_hosts(&world.context(), &mut plan, Some(version)).unwrap();
            let unsoaked = plan.schedule.unsoaked.iter().map(|at| plan.schedule.hosts[*at].to_string());
            unsoaked.collect::<Vec<_>>()
        };
        assert_eq!(unsoaked(&version(1)), [] as [&str; 0]);
        // The canary's wave passed, and the process ended before production's did.
        let passed = Event::WavePassed { wave: "canary".parse().unwrap() };
        let [canary, production] = [(HOSTS[0], "canary"), (HOSTS[1], "production")]
            .map(|(host, wave)| world.ends(host, wave, Changed));
        world.written(&world.plan(), &version(1), [canary, vec![passed], production].concat());
        assert_eq!(unsoaked(&version(1)), [HOSTS[1]]);
        world.ended_so(&version(2), [Changed, Changed]);
        assert_eq!(unsoaked(&version(2)), HOSTS);
        assert_eq!(unsoaked(&version(1)), [] as [&str; 0]);
        world.rolled_out(&version(2), 2, Some(Interrupted));
        assert_eq!(unsoaked(&version(2)), [] as [&str; 0]);
    }

    #[test]
    fn versions_of_this_certificate_are_told_from_those_of_others() {
        let world = World::new();
        world.keep(&version(1), 20);
        let versions = versions(&world.journal, &"b.test".parse().unwrap()).unwrap();
        assert_eq!(versions.issued(&version(1)), None);
    }
}
