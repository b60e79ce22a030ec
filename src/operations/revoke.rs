//! Revokes a certificate: replace everywhere, verify, and only then revoke.

use crate::acme::{self, IssueError};
use crate::certificate::parse_pem;
use crate::ledger::RevocationFact;
use crate::model::{CertificateName, HostName, Revocation, RevocationReason, Version};
use crate::operations::rollout::confirm;
use crate::operations::{Context, Left, OperationError, Problem, certificates, ledger};
use crate::plan::{PlannedAcme, PlannedIssuer};
use crate::ports::Question;

/// What is to be revoked.
pub struct RevokeRequest {
    /// Of which certificate.
    pub name: CertificateName,
    /// Which version.
    pub version: Version,
    /// Who may have issued it.
    pub issuers: Vec<PlannedIssuer>,
    /// Why.
    pub reason: RevocationReason,
    /// Though hosts serve it.
    pub even_if_served: bool,
    /// It was revoked elsewhere: no CA is asked.
    pub note_only: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// It was revoked before.
    Before(Revocation),
    /// It is noted; no CA was asked.
    Noted,
    /// A CA confirmed it.
    By(String),
}

/// Revokes a version, so that no rollout puts it on a host again.
///
/// # Errors
/// When hosts serve it, or no CA confirms it.
pub async fn revoke(context: &Context<'_>, request: RevokeRequest) -> Result<Revoked, OperationError> {
    let RevokeRequest { name, version, reason, .. } = &request;
    // Nobody may put it on a host in the meantime.
    let id = context.new_id()?;
    let lease = context.lease(name, &id)?;
    certificates::in_store(context.certificates, name, version)?;
    let versions = ledger::versions(context.journal.as_ref(), name)?;
    let earlier = versions.noted(version);
    if let Some(confirmed) = earlier.filter(|earlier| earlier.confirmed_by.is_some()) {
        return Ok(Revoked::Before(confirmed.clone()));
    }
    if !request.even_if_served {
        served_by_nobody(context, name, version)?;
    }
    confirm(context, &Question::Revoke { name: name.clone(), version: version.clone() }).await?;
    // Noted first: whatever becomes of us or the CA, no rollout puts it on a host again.
    let (certificate, reason) = (name.clone(), *reason);
    if earlier.is_none() {
        let noted = RevocationFact::Noted { certificate, version: version.clone(), reason };
        ledger::note(context, lease.as_ref(), &id, noted)?;
    }
    if request.note_only {
        return Ok(Revoked::Noted);
    }
    lease.check().map_err(|error| OperationError::from(error).leaves(Left::NotedAsRevoked))?;
    let leaves = leaves(context, name, version)?;
    let mut cancel = context.cancel.clone();
    let asked = tokio::select! {
        answer = ask_issuers(context, &request, &leaves) => answer,
        Ok(_) = cancel.wait_for(|cancelled| *cancelled) => Err(vec!["interrupted".to_owned()]),
    };
    let ca = asked.map_err(|refused| {
        let problem = Problem::RevocationUnconfirmed { name: name.clone(), version: version.clone() };
        OperationError { problem, causes: refused, left: Some(Left::NotedAsRevoked) }
    })?;
    let (certificate, version, issuer) = (name.clone(), version.clone(), ca.clone());
    ledger::note(context, lease.as_ref(), &id, RevocationFact::Confirmed { certificate, version, issuer })?;
    Ok(Revoked::By(ca))
}

/// A host that serves a revoked certificate is down for whoever checks.
fn served_by_nobody(
    context: &Context<'_>,
    name: &CertificateName,
    version: &Version,
) -> Result<(), OperationError> {
    let served = ledger::hosts(context.journal.as_ref(), name, None)?;
    let served = served.served_by_host().filter(|(_, one)| one.has_leaf_of(version));
    let hosts: Vec<HostName> = served.map(|(host, _)| host.clone()).collect();
    if hosts.is_empty() {
        return Ok(());
    }
    let problem = Problem::Served { version: version.clone(), hosts };
    Err(OperationError::from(problem).leaves(Left::NotRevoked))
}

/// The leaves of a version, DER.
fn leaves(
    context: &Context<'_>,
    name: &CertificateName,
    version: &Version,
) -> Result<Vec<Vec<u8>>, OperationError> {
    let mut leaves = Vec::new();
    for pem in context.certificates.chains(name, version)? {
        let chain = parse_pem(&pem)
            .map_err(|error| OperationError::to(&format!("read {version} in the store"), &error))?;
        leaves.extend(chain.into_iter().next().map(|leaf| leaf.der));
    }
    Ok(leaves)
}

/// The first issuer that confirms it for all leaves; else why none did.
async fn ask_issuers(
    context: &Context<'_>,
    request: &RevokeRequest,
    leaves: &[Vec<u8>],
) -> Result<String, Vec<String>> {
    fn acme(issuer: &PlannedIssuer) -> Option<&PlannedAcme> {
        match issuer {
            PlannedIssuer::Acme(acme) => Some(acme),
            PlannedIssuer::Files(_) => None,
        }
    }
    let acme: Vec<&PlannedAcme> = request.issuers.iter().filter_map(acme).collect();
    let (accounts, mut refused) = (context.accounts, Vec::new());
    for issuer in &acme {
        let mut confirmed = true;
        for leaf in leaves {
            if let Err(error) = acme::revoke(accounts, issuer, leaf, request.reason).await {
                refused.push(format!("{}: {}", issuer.name, told(&error)));
                confirmed = false;
                break;
            }
        }
        if confirmed {
            return Ok(issuer.name.clone());
        }
    }
    if acme.is_empty() {
        refused.push("the playbook names no ACME issuer".to_owned());
    }
    Err(refused)
}

fn told(error: &IssueError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("failed to {error}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Fact;
    use crate::operations::testing::{World, name, version};
    use crate::rollout::HostOutcome;
    use crate::rollout::RolloutOutcome::Succeeded;

    fn request(even_if_served: bool, note_only: bool) -> RevokeRequest {
        RevokeRequest {
            name: name(),
            version: version(1),
            issuers: Vec::new(),
            reason: RevocationReason::KeyCompromise,
            even_if_served,
            note_only,
        }
    }

    async fn asked(world: &World, even_if_served: bool, note_only: bool) -> Result<Revoked, OperationError> {
        revoke(&world.context(), request(even_if_served, note_only)).await
    }

    fn is_revoked(world: &World) -> bool {
        ledger::versions(&world.journal, &name()).unwrap().revocation(&version(1)).is_some()
    }

    #[tokio::test]
    async fn what_hosts_serve_is_not_revoked_and_nothing_without_a_yes() {
        let world = World::new();
        let missing = asked(&world, false, true).await.unwrap_err();
        assert!(matches!(missing.problem, Problem::NoVersion { .. }), "{missing:?}");
        (1..=2).for_each(|number| world.keep(&version(number), 20));
        world.rolled_out(&version(1), 2, Some(Succeeded));
        world.rolled_out(&version(2), 1, None);
        let served = asked(&world, false, true).await.unwrap_err();
        let Problem::Served { hosts, .. } = &served.problem else { panic!("{served:?}") };
        assert_eq!(hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>(), ["web02"]);
        assert_eq!(served.left, Some(Left::NotRevoked));
        let unanswered = asked(&world, true, true).await.unwrap_err();
        assert!(matches!(unanswered.problem, Problem::NotConfirmed), "{unanswered:?}");
        assert!(!is_revoked(&world));
    }

    #[tokio::test]
    async fn it_is_noted_before_any_ca_is_asked_and_confirmed_once() {
        let world = World::new().says_yes();
        world.keep(&version(1), 20);
        let unconfirmed = asked(&world, false, false).await.unwrap_err();
        assert!(matches!(unconfirmed.problem, Problem::RevocationUnconfirmed { .. }), "{unconfirmed:?}");
        assert_eq!(unconfirmed.causes, ["the playbook names no ACME issuer"]);
        assert_eq!(unconfirmed.left, Some(Left::NotedAsRevoked));
        assert!(is_revoked(&world));
        assert_eq!(asked(&world, false, true).await.unwrap(), Revoked::Noted);
        let (certificate, issuer) = (name(), "ca".to_owned());
        world.note(RevocationFact::Confirmed { certificate, version: version(1), issuer });
        assert!(matches!(asked(&world, false, false).await.unwrap(), Revoked::Before(_)));
    }

    #[tokio::test]
    async fn a_version_that_a_host_may_serve_is_not_revoked_however_its_rollout_ended_there() {
        use HostOutcome::{Changed, Failed, RollbackFailed, RolledBack, Unchanged, Unreachable, Untouched};
        for (outcome, may_serve) in [
            (Changed, true),
            (Unchanged, true),
            // Nobody saw it go back.
            (RollbackFailed, true),
            (RolledBack, false),
            (Failed, false),
            (Unreachable, false),
            (Untouched, false),
        ] {
            let world = World::new().says_yes();
            world.keep(&version(1), 20);
            world.ended_so(&version(1), [outcome, Untouched]);
            match asked(&world, false, true).await {
                Err(OperationError { problem: Problem::Served { hosts, .. }, left, .. }) => {
                    assert!(may_serve, "{outcome:?}");
                    assert_eq!(hosts.iter().map(HostName::as_str).collect::<Vec<_>>(), ["web01"]);
                    assert_eq!(left, Some(Left::NotRevoked));
                    assert!(!is_revoked(&world));
                }
                revoked => {
                    assert_eq!(revoked.unwrap(), Revoked::Noted);
                    assert!(!may_serve, "{outcome:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_later_rollout_takes_its_hosts_off_a_version_and_one_that_changed_none_does_not() {
        use HostOutcome::{Changed, RollbackFailed, Unreachable, Untouched};
        let serving = async |ends: [HostOutcome; 2]| {
            let world = World::new().says_yes();
            (1..=2).for_each(|number| world.keep(&version(number), 20));
            world.ended_so(&version(1), [Changed, Changed]);
            world.ended_so(&version(2), ends);
            match asked(&world, false, true).await {
                Err(OperationError { problem: Problem::Served { hosts, .. }, .. }) => {
                    hosts.iter().map(ToString::to_string).collect()
                }
                other => vec![format!("{other:?}")],
            }
        };
        assert_eq!(serving([Changed, Changed]).await, ["Ok(Noted)"]);
        assert_eq!(serving([Changed, Untouched]).await, ["web02"]);
        assert_eq!(serving([Unreachable, Untouched]).await, ["web01", "web02"]);
        assert_eq!(serving([RollbackFailed, Changed]).await, ["Ok(Noted)"]);
    }

    #[tokio::test]
    async fn what_hosts_serve_of_another_certificate_or_version_is_no_reason() {
        use HostOutcome::Changed;
        let world = World::new().says_yes();
        (1..=2).for_each(|number| world.keep(&version(number), 20));
        let mut other = world.plan();
        other.certificate.name = "b.test".parse().unwrap();
        world.ended_so_as(&other, &version(1), [Changed, Changed]);
        world.ended_so(&version(2), [Changed, Changed]);
        assert_eq!(asked(&world, false, true).await.unwrap(), Revoked::Noted);
    }

    #[tokio::test]
    async fn a_revocation_that_was_cut_off_is_gone_on_with_and_noted_once() {
        let world = World::new().says_yes();
        world.keep(&version(1), 20);
        // What a process that was killed in the middle leaves.
        let folder = world.remembered(&format!("certificates/a.test/{}", version(1)));
        for draft in ["revoked.json.new", ".tmpA1b2C3"] {
            std::fs::write(folder.join(draft), "half").unwrap();
        }
        for _ in 0..2 {
            let unconfirmed = asked(&world, false, false).await.unwrap_err();
            assert!(matches!(unconfirmed.problem, Problem::RevocationUnconfirmed { .. }), "{unconfirmed:?}");
        }
        let noted = world.noted().into_iter().filter(|fact| matches!(fact, Fact::Revocation(_)));
        assert_eq!(noted.count(), 1);
        assert_eq!(world.asked().len(), 2);
        // A lease that nobody has any more.
        std::fs::write(world.remembered("leases/a.test.99"), "").unwrap();
        assert_eq!(asked(&world, false, true).await.unwrap(), Revoked::Noted);
    }

    #[tokio::test]
    async fn who_has_the_certificate_keeps_others_from_revoking_it() {
        let world = World::new().says_yes();
        world.keep(&version(1), 20);
        let lease = crate::ports::Leases::take(&world.leases, &name(), "rollout 1").unwrap();
        let held = asked(&world, true, true).await.unwrap_err();
        assert!(held.problem.to_string().contains("rollout 1"), "{held:?}");
        drop(lease);
        assert!(!is_revoked(&world) && world.asked().is_empty());
    }
}
