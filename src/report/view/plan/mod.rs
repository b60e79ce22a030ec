//! A plan: what would happen to whom.

mod certificate;
mod objects;
mod report;
mod text;
mod ways;

pub use certificate::{Coming, PlannedCertificate};
pub use report::PlanReport;
