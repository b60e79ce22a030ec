//! What servers hold in their memory, asked without changing anything.

use crate::engine::host::session::Session;
use crate::engine::memory::entries::entries;
use crate::engine::memory::envoy::ask_admin;
use crate::engine::memory::socket::ask;
use crate::plan::{HostPlan, PlannedService};
use crate::ports::Connection;
use crate::service::admin::{ACTIVE, read_active};
use crate::service::{Dialogue, Envoy, Haproxy, Held, Holds, runtime_api as api};

/// What a service holds, in each of its processes: every certificate of ours, under each of its names; nothing of a service that
/// cannot be asked.
///
/// # Errors
/// In words, when it should have answered and did not.
pub(crate) async fn held<C: Connection>(
    session: &Session<C>,
    plan: &HostPlan,
    service: &PlannedService,
) -> Result<Holds, String> {
    match service.spec.dialogue() {
        Some(Dialogue::Haproxy(haproxy)) => by_haproxy(session, plan, haproxy).await,
        Some(Dialogue::Envoy(envoy)) => by_envoy(session.connection.as_ref(), envoy).await,
        None => Ok(Holds::default()),
    }
}

async fn by_haproxy<C: Connection>(
    session: &Session<C>,
    plan: &HostPlan,
    haproxy: &Haproxy,
) -> Result<Holds, String> {
    let mut all = Holds::default();
    for socket in &haproxy.sockets {
        let answer = ask(session, plan, socket, api::list()).await?;
        let list = api::read_list(&answer).map_err(|error| error.to_string())?;
        let found = entries(session, plan, haproxy, &list.names).await?;
        if let Some((missing, _)) =
            haproxy.certificates.iter().zip(&found).find(|(_, names)| names.is_empty())
        {
            return Err(format!("HAProxy holds no certificate `{}`", missing.called()));
        }
        for name in found.iter().flatten() {
            let answer = ask(session, plan, socket, api::show(name)).await?;
            all.certificates.extend(api::read_held(name, &answer).map_err(|error| error.to_string())?);
        }
        all.names.extend(list.names);
    }
    Ok(all)
}

async fn by_envoy<C: Connection>(connection: &C, envoy: &Envoy) -> Result<Holds, String> {
    let Some(admin) = &envoy.admin else { return Ok(Holds::default()) };
    let dump = ask_admin(connection, admin, ACTIVE).await?;
    let of = |name: &str| {
        let leaf = read_active(name, &dump);
        leaf.map(|leaf| Held::from(&leaf)).ok_or_else(|| format!("Envoy holds no active secret `{name}`"))
    };
    let certificates: Result<_, _> = envoy.secrets.iter().map(|secret| of(&secret.name)).collect();
    Ok(Holds { certificates: certificates?, names: Vec::new() })
}
