//! Any server that a command reloads.

use serde::{Deserialize, Serialize};

use crate::service::Service;

/// Anything that a command reloads. That it did is left to the live handshakes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Succeeds when the service would take what is on disk.
    pub test: Option<String>,
    /// Makes the service take it; success is exit code 0.
    pub reload: String,
}

impl Service for Command {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn script(&self) -> &'static str {
        concat!(include_str!("../scripts/bounded.sh"), include_str!("command.sh"))
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let test = self.test.clone().unwrap_or_default();
        vec![("test_command", test), ("reload_command", self.reload.clone())]
    }

    fn has_test(&self) -> bool {
        self.test.is_some()
    }

    fn actions(&self) -> Vec<String> {
        self.test.iter().chain([&self.reload]).cloned().collect()
    }

    /// It may be a restart, and some servers take seconds to start.
    fn keeps_listening(&self) -> bool {
        false
    }

    fn may_linger(&self) -> bool {
        true
    }
}
