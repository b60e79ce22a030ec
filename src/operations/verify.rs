//! Verifies again what a rollout left, by the same handshakes.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, stream};

use crate::engine::{Proof, prove_again};
use crate::model::{CertificateName, Fingerprint, HostName, OperationId};
use crate::operations::history::{LastVerified, last_verified, named};
use crate::operations::load;
use crate::operations::status::wanted;
use crate::operations::{Context, OperationError, Problem};
use crate::plan::HostPlan;
use crate::status::ExpectedVersion;

/// What is to be verified.
pub struct VerifyRequest {
    /// A playbook's path, or the name of a rollout.
    pub what: String,
    /// Only these hosts of the inventory.
    pub limit: Option<String>,
    /// The inventory's files and folders.
    pub inventory: Vec<PathBuf>,
    /// So many hosts at a time.
    pub parallel: usize,
}

/// How hosts verify.
pub struct VerifiedAgain {
    /// The rollout that left them so.
    pub rollout: OperationId,
    /// The certificate.
    pub name: CertificateName,
    /// The version that they were left on.
    pub wanted: ExpectedVersion,
    /// Each host with its endpoints.
    pub hosts: Vec<(HostName, Vec<Proof>)>,
}

/// Verifies every endpoint of the hosts that a rollout left on its certificate.
///
/// # Errors
/// When there is none.
pub async fn verify(context: &Context<'_>, request: &VerifyRequest) -> Result<VerifiedAgain, OperationError> {
    let left = which(context, &request.what)?;
    let hosts = hosts(&left, request)?;
    let name = left.record.certificate.clone();
    let wanted = wanted(context, &name, &left.record.version)?;
    let prober = context.prober(&left.plan)?;
    let world = (context.connector.as_ref(), &prober, &context.clock);
    let own: BTreeSet<Fingerprint> = wanted.own.keys().copied().collect();
    let one = |host: HostPlan| async {
        let proofs = prove_again(&host, world, |endpoint| wanted.expected(endpoint), &own).await;
        (host.login.host, proofs)
    };
    let hosts = stream::iter(hosts).map(one).buffered(request.parallel).collect().await;
    Ok(VerifiedAgain { rollout: left.record.id, name, wanted, hosts })
}

/// A file is a playbook, anything else the name of a rollout.
fn which(context: &Context<'_>, what: &str) -> Result<LastVerified, OperationError> {
    let path = Path::new(what);
    if !path.exists() && path.extension().is_none() {
        return LastVerified::by(context.journal.as_ref(), named(context.journal.as_ref(), what)?);
    }
    let name = load::certificate_name(path)?;
    last_verified(context.journal.as_ref(), &name)?.ok_or_else(|| Problem::NeverVerified(name).into())
}

/// The hosts that were left on the certificate, as they were planned.
fn hosts(left: &LastVerified, request: &VerifyRequest) -> Result<Vec<HostPlan>, OperationError> {
    let limit = request.limit.as_deref();
    let limited = limit.map(|limit| load::hosts(&request.inventory, Some(limit))).transpose()?;
    let limited: Option<HashSet<HostName>> = limited.map(|(_, hosts)| hosts.into_iter().collect());
    let wanted = |host: &&HostPlan| limited.as_ref().is_none_or(|hosts| hosts.contains(&host.login.host));
    let on_it = left.plan.hosts.iter().zip(&left.on_it).filter(|(_, on_it)| **on_it).map(|(host, _)| host);
    let hosts: Vec<HostPlan> = on_it.filter(wanted).cloned().collect();
    if hosts.is_empty() {
        let (rollout, limit) = (left.record.id.clone(), request.limit.clone());
        return Err(Problem::NoHostLeft { rollout, limit }.into());
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{HOSTS, World, version};
    use crate::rollout::HostOutcome::{Changed, RollbackFailed, RolledBack, Unchanged, Untouched};

    fn request(what: &str) -> VerifyRequest {
        VerifyRequest { what: what.to_owned(), limit: None, inventory: Vec::new(), parallel: 1 }
    }

    #[test]
    fn a_file_is_a_playbook_and_anything_else_the_name_of_a_rollout() {
        let world = World::new();
        let id = world.ended_so(&version(1), [Changed, Changed]);
        let of = |what: &str| which(&world.context(), what).map(|left| left.record.id);
        assert_eq!(of(id.as_str()).unwrap(), id);
        assert_eq!(of("last").unwrap(), id);
        assert!(matches!(of("canary").unwrap_err().problem, Problem::NoRollout(_)));
        // What is called like a file is one, though it is not there.
        for playbook in ["last.yaml", "no/such.yml"] {
            let missing = of(playbook).unwrap_err();
            assert!(matches!(missing.problem, Problem::File { .. }), "{missing:?}");
        }
    }

    #[test]
    fn hosts_that_were_left_on_the_certificate_are_verified_and_no_others() {
        let world = World::new();
        let left = |ends| {
            let id = world.ended_so(&version(1), ends);
            LastVerified::by(&world.journal, named(&world.journal, id.as_str()).unwrap()).unwrap()
        };
        let of = |ends| {
            let hosts = hosts(&left(ends), &request("last")).unwrap();
            hosts.iter().map(|host| host.login.host.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of([Changed, Unchanged]), HOSTS);
        assert_eq!(of([RolledBack, Changed]), [HOSTS[1]]);
        assert_eq!(of([Unchanged, RollbackFailed]), [HOSTS[0]]);
        let nobody = hosts(&left([RolledBack, Untouched]), &request("last")).unwrap_err();
        assert!(matches!(nobody.problem, Problem::NoHostLeft { limit: None, .. }), "{nobody:?}");
    }
}
