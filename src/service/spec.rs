//! The services that a playbook can name.

use serde::{Deserialize, Serialize};

use crate::model::HostPath;
use crate::service::{Envoy, Haproxy};

/// What serves the certificate on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceSpec {
    /// nginx.
    Nginx(Nginx),
    /// HAProxy.
    Haproxy(Haproxy),
    /// Envoy.
    Envoy(Envoy),
    /// Anything that a command reloads. That it did is left to the live handshakes.
    Command {
        /// Succeeds when the service would take what is on disk.
        test: Option<String>,
        /// Makes the service take it; success is exit code 0.
        reload: String,
    },
}

/// An nginx. Every command is called by its full path: a login without a terminal has no `/usr/sbin` in `PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nginx {
    /// The program.
    pub binary: HostPath,
    /// `-p`, where it is not the one compiled in.
    pub prefix: Option<HostPath>,
    /// `-c`, where it is not the one compiled in.
    pub config: Option<HostPath>,
    /// A command instead of `nginx -t`.
    pub test: Option<String>,
    /// A command instead of `nginx -s reload`. The proof stays the same.
    pub reload: Option<String>,
}

impl Nginx {
    /// Where Debian, Red Hat and nginx.org put it.
    pub const DEFAULT_BINARY: &'static str = "/usr/sbin/nginx";
}

impl ServiceSpec {
    /// Whether the switch of the `live` link alone makes it serve the new certificate.
    pub fn follows_the_link(&self) -> bool {
        matches!(self, ServiceSpec::Envoy(_))
    }

    /// Whether old processes of it may still answer when its reload has come to its end: nobody asked.
    pub fn may_linger(&self) -> bool {
        matches!(self, ServiceSpec::Command { .. })
    }

    /// The word for it in playbooks and on screen.
    pub fn kind(&self) -> &'static str {
        match self {
            ServiceSpec::Nginx(_) => "nginx",
            ServiceSpec::Haproxy(_) => "haproxy",
            ServiceSpec::Envoy(_) => "envoy",
            ServiceSpec::Command { .. } => "command",
        }
    }

    /// The shell variables that [`ServiceSpec::script`] reads. `patience_seconds` bounds a test, and a reload with
    /// its proof; 30 suits all but the largest configurations.
    pub fn settings(&self, patience_seconds: u32) -> Vec<(&'static str, String)> {
        let path = |path: &Option<HostPath>| path.as_ref().map(HostPath::to_string).unwrap_or_default();
        let mut settings = match self {
            ServiceSpec::Nginx(nginx) => vec![
                ("binary", nginx.binary.to_string()),
                ("prefix", path(&nginx.prefix)),
                ("config", path(&nginx.config)),
                ("test_command", nginx.test.clone().unwrap_or_default()),
                ("reload_command", nginx.reload.clone().unwrap_or_default()),
            ],
            ServiceSpec::Haproxy(haproxy) => haproxy.settings(),
            ServiceSpec::Envoy(envoy) => envoy.settings(),
            ServiceSpec::Command { test, reload } => {
                vec![("test_command", test.clone().unwrap_or_default()), ("reload_command", reload.clone())]
            }
        };
        settings.push(("patience", patience_seconds.to_string()));
        settings
    }

    /// Shell text that defines `hook_facts`, `hook_test` and `hook_reload`.
    pub fn script(&self) -> &'static str {
        match self {
            ServiceSpec::Nginx(_) => {
                concat!(include_str!("scripts/bounded.sh"), include_str!("scripts/nginx.sh"))
            }
            ServiceSpec::Haproxy(_) => {
                concat!(
                    include_str!("scripts/bounded.sh"),
                    "carry() {\n",
                    include_str!("scripts/relay.sh"),
                    "\n}\n",
                    include_str!("scripts/haproxy.sh")
                )
            }
            ServiceSpec::Envoy(_) => include_str!("scripts/envoy.sh"),
            ServiceSpec::Command { .. } => {
                concat!(include_str!("scripts/bounded.sh"), include_str!("scripts/command.sh"))
            }
        }
    }
}
