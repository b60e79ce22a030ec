//! How a server is made to take a new certificate.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ServiceName;

/// How a server takes a new certificate, and so what its clients notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// HAProxy's runtime API: its memory is changed, and no connection is touched.
    RuntimeApi,
    /// Envoy's secret discovery service: no connection is touched.
    Sds,
    /// Other processes take over, or the server is started anew: connections that are open are closed sooner or later.
    Reload,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::RuntimeApi => "runtime API",
            Way::Sds => "SDS",
            Way::Reload => "reload",
        })
    }
}

/// How one service of a host took a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceWay {
    /// Which.
    pub service: ServiceName,
    /// How.
    pub way: Way,
}

impl fmt::Display for ServiceWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.service, self.way)
    }
}
