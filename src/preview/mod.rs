//! What a rollout would do, found out without touching anything: what was seen on the hosts, what the state
//! machine makes of that, and what a careful person should know before.

mod change;
mod elsewhere;
mod forecast;
mod host_risks;
mod inspected;
mod lasting;
mod name_risks;
mod risk;
mod rollout_risks;
mod saved;
mod seen;
mod told;
mod whole;

pub use change::{Change, changes};
pub(crate) use elsewhere::{baseline, mark_elsewhere, names_elsewhere};
pub use forecast::{Forecast, Pace, forecast};
pub(crate) use host_risks::covers;
pub use host_risks::{host_risks, risks_of};
pub use inspected::{answer, inspected, not_refused, refusal, staged};
pub use lasting::Lasting;
pub(crate) use name_risks::name_risks;
pub use risk::{Bar, Risk};
pub use rollout_risks::rollout_risks;
pub use saved::{Next, SavedPlan, SavedPlanError, SourceFile};
pub use seen::{Missed, Seen, SeenDown, SeenFile, SeenHost, SeenReads, SeenServed, differences};
pub use told::told;
pub use whole::Preview;

#[cfg(test)]
mod tests;
