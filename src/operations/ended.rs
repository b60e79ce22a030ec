//! How a rollout ended.

use crate::model::OperationId;
use crate::report::view::{RolledOut, Summary};

/// How a rollout ended.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub id: OperationId,
    /// The playbook's path, as it was named.
    pub playbook: String,
    /// What was rolled out.
    pub certificate: RolledOut,
    /// How it went.
    pub summary: Summary,
}
