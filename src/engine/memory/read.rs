//! What servers hold in their memory, asked without changing anything.

use crate::engine::host::session::Session;
use crate::engine::memory::envoy::ask_admin;
use crate::engine::memory::socket::ask;
use crate::plan::{HostPlan, PlannedService};
use crate::ports::Connection;
use crate::service::admin::{ACTIVE, read_active};
use crate::service::{Dialogue, Envoy, Haproxy, Held, runtime_api as api};

/// Every certificate of ours that a service holds, in each of its processes; none of a service that cannot be
/// asked.
///
/// # Errors
/// In words, when it should have answered and did not.
pub(crate) async fn held<C: Connection>(
    session: &Session<C>,
    plan: &HostPlan,
    service: &PlannedService,
) -> Result<Vec<Held>, String> {
    match service.spec.dialogue() {
        Some(Dialogue::Haproxy(haproxy)) => by_haproxy(session, plan, haproxy).await,
        Some(Dialogue::Envoy(envoy)) => by_envoy(session.connection.as_ref(), envoy).await,
        None => Ok(Vec::new()),
    }
}

async fn by_haproxy<C: Connection>(
    session: &Session<C>,
    plan: &HostPlan,
    haproxy: &Haproxy,
) -> Result<Vec<Held>, String> {
    let mut all = Vec::new();
    for socket in &haproxy.sockets {
        let answer = ask(session, plan, socket, api::list()).await?;
        let list = api::read_list(&answer).map_err(|error| error.to_string())?;
        for certificate in &haproxy.certificates {
            let Some(name) = certificate.among(&list.names) else {
                return Err(format!("HAProxy holds no certificate `{}`", certificate.path));
            };
            let answer = ask(session, plan, socket, api::show(name)).await?;
            all.push(api::read_held(name, &answer).map_err(|error| error.to_string())?);
        }
    }
    Ok(all)
}

async fn by_envoy<C: Connection>(connection: &C, envoy: &Envoy) -> Result<Vec<Held>, String> {
    let Some(admin) = &envoy.admin else { return Ok(Vec::new()) };
    let dump = ask_admin(connection, admin, ACTIVE).await?;
    let of = |name: &str| {
        let leaf = read_active(name, &dump);
        leaf.map(|leaf| Held::from(&leaf)).ok_or_else(|| format!("Envoy holds no active secret `{name}`"))
    };
    envoy.secrets.iter().map(|secret| of(&secret.name)).collect()
}
