//! What a fleet serves, against what it should: what was seen is compared, and each difference is named for what
//! it is. Pure; the engine looks.

mod compare;
mod drift;
mod group;
mod reading;
mod scan;

pub(crate) use compare::days_left;
pub use compare::{EndpointStatus, ExpectedVersion, InMemory, StoredLeaf, compare};
pub use drift::Drift;
pub use group::{AlikeHosts, group};
pub use reading::{HostReading, Inside};
pub use scan::{Condition, ScannedEndpoint, appraise};

#[cfg(test)]
pub(crate) mod testing;
