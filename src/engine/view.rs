//! A look at a host that changes nothing: what it serves, and what lies on its disk.

use std::sync::Arc;
use std::time::Duration;

use super::ports::{Connection, Connector, Prober, RemoteCommand};
use super::probe::{observe, places};
use super::session::answer;
use crate::certificate::{Certificate, parse_pem};
use crate::install::Facts;
use crate::plan::HostPlan;
use crate::verify::{Endpoint, Observation};

const DEADLINE: Duration = Duration::from_secs(60);

/// What was seen.
#[derive(Debug)]
pub struct HostView {
    /// For each service, what each of its endpoints serves.
    pub observed: Vec<Vec<(Endpoint, Observation)>>,
    /// The certificates on disk; else why they could not be read.
    pub files: Result<Vec<Certificate>, String>,
}

/// Looks at a host.
pub async fn view<C: Connector, P: Prober>(plan: &HostPlan, connector: &C, prober: &P) -> HostView {
    let connection = connector.connect(&plan.login).await.map(Arc::new).map_err(|error| error.reason);
    let files = match &connection {
        Ok(connection) => files(plan, connection.as_ref()).await,
        Err(reason) => Err(reason.clone()),
    };
    let mut observed = Vec::new();
    for service in &plan.services {
        let mut seen = Vec::new();
        for endpoint in places(prober, &service.endpoints).await {
            let observation = observe(prober, connection.as_ref().ok(), &endpoint).await;
            seen.push((endpoint, observation));
        }
        observed.push(seen);
    }
    HostView { observed, files }
}

async fn files<C: Connection>(plan: &HostPlan, connection: &C) -> Result<Vec<Certificate>, String> {
    let line = plan.install.inspect(&[]).line(plan.login.become_user.as_deref());
    let command = RemoteCommand { line, stdin: None, deadline: DEADLINE };
    let output = connection.exec(command).await.map_err(|error| error.reason)?;
    let facts = Facts::parse(&answer(&output), &plan.install, &[]).map_err(|error| error.to_string())?;
    let mut leaves = Vec::new();
    for pem in facts.active {
        let chain = parse_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
        leaves.extend(chain.into_iter().next());
    }
    Ok(leaves)
}
