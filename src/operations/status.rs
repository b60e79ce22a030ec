//! What a fleet serves, against what it should.

use futures_util::{StreamExt, stream};

use crate::engine::read_status;
use crate::model::{CertificateName, Version};
use crate::operations::history::last_verified;
use crate::operations::{Context, OperationError, Problem, certificates};
use crate::plan::{HostPlan, Plan};
use crate::status::{EndpointStatus, ExpectedVersion, compare};
use crate::tls::TlsProber;

/// What should be served.
pub struct ShouldServe {
    /// The version, with all that tells it from others.
    pub wanted: ExpectedVersion,
    /// A newer version in the store, on which no rollout left a host.
    pub newer: Option<Version>,
}

/// The version that hosts were left on last; where none ever was, the newest in the store.
///
/// # Errors
/// When there is none.
pub fn should_serve(context: &Context<'_>, name: &CertificateName) -> Result<ShouldServe, OperationError> {
    let store = context.certificates;
    let newest = store.versions(name)?.pop();
    let last = last_verified(context.journal.as_ref(), name)?.map(|last| last.record.version);
    let version = last.or_else(|| newest.clone()).ok_or(Problem::NothingIssued(name.clone()))?;
    let wanted = wanted(context, name, &version)?;
    Ok(ShouldServe { wanted, newer: newest.filter(|newest| *newest > version) })
}

/// A version, with all that tells it from others.
pub(super) fn wanted(
    context: &Context<'_>,
    name: &CertificateName,
    version: &Version,
) -> Result<ExpectedVersion, OperationError> {
    let store = context.certificates;
    let set = certificates::chains(store, name, version)?;
    let (known, own) = (certificates::leaves(store)?, certificates::own_leaves(store, name)?);
    Ok(ExpectedVersion { set, known, own })
}

/// Looks at every host, `parallel` at a time. `seen` hears of each in the order of the plan; what is kept of each is
/// small.
pub async fn status(
    context: &Context<'_>,
    plan: &Plan,
    wanted: &ExpectedVersion,
    prober: &TlsProber,
    parallel: usize,
    mut seen: impl FnMut(&[EndpointStatus]),
) -> Vec<EndpointStatus> {
    let one = |host: &HostPlan| {
        let host = host.clone();
        async move {
            let reading = read_status(&host, context.connector.as_ref(), prober).await;
            compare(&host, &reading, wanted, context.now())
        }
    };
    let mut looks = stream::iter(&plan.hosts).map(one).buffered(parallel);
    let mut rows = Vec::new();
    while let Some(of_host) = looks.next().await {
        seen(&of_host);
        rows.extend(of_host);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{World, name, version};
    use crate::rollout::HostOutcome::{Changed, RollbackFailed, RolledBack, Untouched};

    #[test]
    fn what_hosts_were_left_on_last_should_be_served_and_a_newer_version_is_told() {
        let world = World::new();
        let should = || {
            should_serve(&world.context(), &name())
                .map(|should| (should.wanted.set.version().clone(), should.newer))
        };
        assert!(matches!(should().unwrap_err().problem, Problem::NothingIssued(_)));
        (1..=2).for_each(|number| world.keep(&version(number), 20));
        // No rollout ever left a host on any.
        assert_eq!(should().unwrap(), (version(2), None));
        world.ended_so(&version(1), [Changed, Untouched]);
        assert_eq!(should().unwrap(), (version(1), Some(version(2))));
        world.ended_so(&version(2), [RollbackFailed, RolledBack]);
        assert_eq!(should().unwrap(), (version(1), Some(version(2))));
        world.ended_so(&version(2), [Changed, Changed]);
        assert_eq!(should().unwrap(), (version(2), None));
        // It was gone back to on purpose.
        world.ended_so(&version(1), [Changed, Changed]);
        assert_eq!(should().unwrap(), (version(1), Some(version(2))));
    }

    #[test]
    fn a_version_is_told_from_others_by_the_leaves_of_the_whole_store() {
        let world = World::new();
        (1..=2).for_each(|number| world.keep(&version(number), 20));
        let ExpectedVersion { set, known, own } = wanted(&world.context(), &name(), &version(1)).unwrap();
        assert_eq!((known.len(), own.len()), (2, 2));
        assert_eq!(own[&set.of(None)[0].fingerprint], version(1));
        let mut versions: Vec<&Version> = own.values().collect();
        versions.sort();
        assert_eq!(versions, [&version(1), &version(2)]);
    }
}
