//! The verdict over one handshake.

use serde::{Deserialize, Serialize};

/// What an endpoint serves, seen from the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// The certificate being rolled out.
    New,
    /// Still the one from before.
    Previous,
    /// Another certificate of this store.
    Known,
    /// One that certwave never issued.
    Unknown,
    /// It answers, but not with TLS.
    None,
    /// No answer.
    Unreachable,
}
