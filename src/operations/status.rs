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
