//! What the scripts on a host are given of its plan.

use std::time::Duration;

use crate::install::ScriptService;
use crate::plan::{HostPlan, PlannedService};

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
            ScriptService { name: service.name.clone(), settings, script: service.spec.script() }
        };
        self.services.iter().map(service).collect()
    }

    /// How long a script may take that tests and reloads: each service may use its whole time for its test and again
    /// for its reload.
    pub fn patience(&self) -> Duration {
        SCRIPT + self.timeout * 3 * u32::try_from(self.services.len()).unwrap_or(1)
    }
}
