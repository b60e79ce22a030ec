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
