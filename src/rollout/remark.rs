//! What a careful person should know of a host, as a rollout keeps it.

use serde::{Deserialize, Serialize};

/// A risk that a host was found with, and that does not keep a rollout from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Which: its id in the reference of `plan`.
    pub risk: String,
    /// In words.
    pub text: String,
}
