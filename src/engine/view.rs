//! A look at a host that changes nothing: what it serves, and what lies on its disk.

use std::sync::Arc;
use std::time::Duration;

use super::ports::{Connection, Connector, Prober, RemoteCommand};
use super::probe::observe;
use super::session::answer;
use crate::certificate::{Certificate, parse_pem};
use crate::install::Facts;
use crate::plan::HostPlan;
use crate::verify::Observation;

const DEADLINE: Duration = Duration::from_secs(60);

/// What was seen.
#[derive(Debug)]
pub struct HostView {
    /// For each service, what its endpoint serves.
    pub observed: Vec<Observation>,
    /// The certificate on disk, if there is one; else why it could not be read.
    pub file: Result<Option<Certificate>, String>,
}

/// Looks at a host.
pub async fn view<C: Connector, P: Prober>(plan: &HostPlan, connector: &C, prober: &P) -> HostView {
    let connection = connector.connect(&plan.login).await.map(Arc::new).map_err(|error| error.reason);
    let file = match &connection {
        Ok(connection) => file(plan, connection.as_ref()).await,
        Err(reason) => Err(reason.clone()),
    };
    let mut observed = Vec::new();
    for service in &plan.services {
        observed.push(observe(prober, connection.as_ref().ok(), &service.endpoint).await);
    }
    HostView { observed, file }
}

async fn file<C: Connection>(plan: &HostPlan, connection: &C) -> Result<Option<Certificate>, String> {
    let line = plan.install.inspect(&[]).line(plan.login.become_user.as_deref());
    let command = RemoteCommand { line, stdin: None, deadline: DEADLINE };
    let output = connection.exec(command).await.map_err(|error| error.reason)?;
    let facts = Facts::parse(&answer(&output), &plan.install, &[]).map_err(|error| error.to_string())?;
    let Some(pem) = facts.active else { return Ok(None) };
    let chain = parse_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
    Ok(chain.into_iter().next())
}
