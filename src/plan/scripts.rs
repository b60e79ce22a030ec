//! What the scripts on a host are given of its plan.

use std::net::IpAddr;
use std::time::Duration;

use crate::install::ScriptService;
use crate::plan::{HostPlan, PlannedService};
use crate::verify::{Endpoint, Via};

/// For scripts that only look or copy.
pub const SCRIPT: Duration = Duration::from_secs(60);

impl HostPlan {
    /// Its services as scripts know them: name, shell variables and shell text.
    pub fn script_services(&self) -> Vec<ScriptService> {
        let patience = u32::try_from(self.timeout.as_secs()).unwrap_or(u32::MAX).max(1);
        let service = |service: &PlannedService| {
            let mut settings = service.spec.settings(patience);
            if self.accepted {
                settings.push(("may_start", "yes".to_owned()));
            }
            let here = service.endpoints.iter().filter(|endpoint| self.is_here(endpoint));
            let mut ports: Vec<u16> = here.map(|endpoint| endpoint.port).collect();
            ports.sort_unstable();
            ports.dedup();
            ScriptService { name: service.name.clone(), settings, script: service.spec.script(), ports }
        };
        self.services.iter().map(service).collect()
    }

    /// Whether an endpoint is plainly the host's own: it is dialled where the host is logged in to.
    pub fn is_here(&self, endpoint: &Endpoint) -> bool {
        endpoint.address == self.login.address
            || endpoint.via == Via::Ssh
                && (endpoint.address == "localhost"
                    || endpoint.address.parse().is_ok_and(|address: IpAddr| address.is_loopback()))
    }

    /// How long a script may take that tests and reloads: each service may use its whole time for its test and again
    /// for its reload.
    pub fn patience(&self) -> Duration {
        SCRIPT + self.timeout * 3 * u32::try_from(self.services.len()).unwrap_or(1)
    }
}
