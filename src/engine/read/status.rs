//! Reading how a host is, with nothing changed or held up: what it serves, what lies on its disk, and what its
//! servers hold in memory.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::engine::handshake::names::ask;
use crate::engine::handshake::prove::places;
use crate::engine::host::session::{Session, answer};
use crate::engine::memory::held;
use crate::install::{OnDisk, ScriptService};
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Connection, Connector, Prober};
use crate::status::{HostReading, Inside};
use crate::verify::Via;

const DEADLINE: Duration = Duration::from_secs(60);

/// Reads how a host is: over one SSH connection, and by handshakes that do not wait for it.
pub async fn read_status<C: Connector, P: Prober>(plan: &HostPlan, connector: &C, prober: &P) -> HostReading {
    let connect = connector.connect(&plan.login);
    let connection = connect.map(|made| made.map(Arc::new).map_err(|error| error.reason)).shared();

    let inside = async {
        let session = Session::over(connection.clone().await?);
        let memory = join_all(plan.services.iter().map(|service| held(&session, plan, service)));
        let (disk, memory) = tokio::join!(disk(&session, plan), memory);
        Ok(Inside { disk, memory })
    };
    let connection = &connection;
    let services = plan.services.iter().map(|service| async move {
        let seen = places(prober, &service.endpoints).await.into_iter().map(|place| async move {
            let through = match place.via {
                Via::Ssh => connection.clone().await.ok(),
                Via::Direct => None,
            };
            ask(prober, through.as_ref(), service, &place).await
        });
        let shown = join_all(seen).await.into_iter().flatten();
        shown.map(|(_, place, observed)| (place, observed)).collect()
    });
    let (inside, observed) = tokio::join!(inside, join_all(services));
    HostReading { inside, observed }
}

async fn disk<C: Connection>(session: &Session<C>, plan: &HostPlan) -> Result<OnDisk, String> {
    let services = telling(plan);
    let output = session.run(plan, &plan.install.status(&services), None, DEADLINE).await;
    let output = output.map_err(|failure| failure.reason().to_owned())?;
    OnDisk::parse(&answer(&output), &plan.install, &services).map_err(|error| error.to_string())
}

/// The services, where one of them tells what its configuration names or which of its processes are old; the others have
/// nothing to say.
fn telling(plan: &HostPlan) -> Vec<ScriptService> {
    let tells = |service: &PlannedService| service.spec.names_files() || service.spec.leaves_processes();
    if !plan.services.iter().any(tells) {
        return Vec::new();
    }
    let silent = |one: ScriptService| ScriptService { settings: Vec::new(), script: "", ..one };
    let services = plan.services.iter().zip(plan.script_services());
    services.map(|(service, one)| if tells(service) { one } else { silent(one) }).collect()
}
