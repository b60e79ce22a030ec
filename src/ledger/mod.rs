//! Everything that happened, as facts, and what they answer: what is served, what was verified, what was issued, what was
//! revoked. Pure; the store keeps the facts.

mod fact;
mod fleet;
mod hosts;
mod issuance;
mod revocation;
mod versions;

pub use fact::{Fact, FactKind};
pub use fleet::{FleetVersions, WayBack};
pub use hosts::{HostEnd, Hosts, ServedVersion};
pub use issuance::Issuance;
pub use revocation::RevocationFact;
pub use versions::{IssuedVersion, Versions};
