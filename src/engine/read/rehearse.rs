//! A rehearsal on a host: upload and permissions for real, and servers' tests, with nothing that is served changed.

use crate::certificate::CertificateSet;
use crate::engine::host::session::{Session, answer, failed};
use crate::install::{FileName, RemoteShells, StagePayload, Staged, Tested, rehearsed};
use crate::model::{Secret, ServiceName};
use crate::plan::{HostPlan, SCRIPT};
use crate::ports::Connector;
use crate::rollout::StepFailure;

/// Stages a throw-away certificate aside on a host, has servers test it, and removes it. The host's lock is held.
///
/// # Errors
/// In words, where the upload or the permissions already fail.
pub async fn rehearse<C: Connector>(
    connector: &C,
    plan: &HostPlan,
    throwaway: &CertificateSet,
    files: &[(FileName, Secret)],
    who: &str,
) -> Result<Vec<Tested>, String> {
    run(connector, plan, throwaway, files, who).await.map_err(|failure| failure.reason().to_owned())
}

async fn run<C: Connector>(
    connector: &C,
    plan: &HostPlan,
    throwaway: &CertificateSet,
    files: &[(FileName, Secret)],
    who: &str,
) -> Result<Vec<Tested>, StepFailure> {
    let shells = RemoteShells::new(who, plan.services.iter().map(|one| one.spec.script()));
    let session = Session::open(connector, plan, &shells, None).await?;
    let (install, version) = (&plan.install, throwaway.version());
    let payload = StagePayload::new(install.layout.name(), version, files);
    let script = install.stage_aside(version, &payload);
    let output = session.run(plan, &script, Some(payload.bytes), SCRIPT).await?;
    Staged::parse(&answer(&output)).map_err(|error| failed(&error))?;
    let services = plan.script_services();
    let patience = SCRIPT + plan.timeout * u32::try_from(services.len()).unwrap_or(1);
    let script = plan.install.rehearse(throwaway.version(), &services);
    let output = session.run(plan, &script, None, patience).await?;
    let tested = rehearsed(&answer(&output), &services).map_err(|error| failed(&error))?;
    // One without a test of its own has nothing against anything.
    let has_test =
        |name: &ServiceName| plan.services.iter().any(|one| one.name == *name && one.spec.has_test());
    Ok(tested.into_iter().filter(|one| !matches!(one, Tested::Took(name) if !has_test(name))).collect())
}
