//! What can be tried for real before a rollout, on the first wave, with nothing that is served changed.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use openssl::error::ErrorStack;

use crate::acme::generate_key;
use crate::certificate::{Bundle, CertificateSet, Requirements};
use crate::engine;
use crate::install::Rehearsed;
use crate::lab::Authority;
use crate::model::Secret;
use crate::operations::certificates::words;
use crate::operations::payloads::files_for;
use crate::operations::{Context, OperationError, Problem};
use crate::plan::{Plan, WaveSchedule};

/// Rehearses on the hosts of the first wave that is left.
pub(super) async fn rehearse(
    context: &Context<'_>,
    plan: &Plan,
    parallel: usize,
) -> Result<Vec<Rehearsed>, OperationError> {
    let who = context.holder(&context.new_id()?);
    let throwaway = throwaway(context, plan)?;
    let files = files_for(plan, &throwaway)?;
    let first = plan.schedule.waves.first().map(WaveSchedule::hosts).unwrap_or_default();
    let mut rehearsals = Vec::new();
    for host in &plan.hosts[first] {
        let (connector, throwaway, files, who) = (context.connector.as_ref(), &throwaway, &files, &who);
        rehearsals.push(async move {
            let result = engine::rehearse(connector, host, throwaway, files, who).await;
            Rehearsed { host: host.login.host.clone(), result }
        });
    }
    Ok(stream::iter(rehearsals).buffered(parallel).collect().await)
}

/// Certificates like those that would be rolled out, by an authority that nobody trusts and whose key is gone.
fn throwaway(context: &Context<'_>, plan: &Plan) -> Result<CertificateSet, OperationError> {
    let wanted = &plan.certificate;
    let failed = |error: ErrorStack| OperationError::to("make a throw-away certificate", &error);
    let authority = Authority::new("certwave rehearsal").map_err(failed)?;
    let names: Vec<&str> = wanted.domains.iter().map(|domain| domain.as_str()).collect();
    let now = context.now();
    let required = Requirements { names: &wanted.domains, now, at_least: Duration::ZERO };
    let mut bundles = Vec::new();
    for kind in &wanted.keys {
        let key = generate_key(*kind).map_err(failed)?;
        let leaf = authority.certify(&key, &names, -1, 1).map_err(failed)?;
        let chain = [leaf, authority.root_pem().map_err(failed)?].concat();
        let key = Secret::new(key.private_key_to_pem_pkcs8().map_err(failed)?);
        let bundle = Bundle::prove(&chain, &key, now, &required).map_err(|defects| {
            let problem = Problem::Act("make a throw-away certificate".to_owned());
            OperationError::from(problem).because(words(&defects))
        })?;
        bundles.push(bundle);
    }
    let mut bundles = bundles.into_iter();
    match (bundles.next(), bundles.next()) {
        (Some(first), second) => Ok(CertificateSet::new(first, second)),
        (None, _) => Err(Problem::NoKeyType(wanted.name.clone()).into()),
    }
}
