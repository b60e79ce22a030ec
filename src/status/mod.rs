//! What a fleet serves, against what it should: what was seen is compared, and each difference is named for what
//! it is. Pure; the engine looks.

mod compare;
mod drift;
mod group;
mod scan;
mod seen;

pub use compare::{Held, Row, Stored, Wanted, compare};
pub use drift::Drift;
pub use group::{Group, group};
pub use scan::{Condition, Entry, appraise};
pub use seen::{HostView, Inside};

#[cfg(test)]
pub(crate) mod testing;
