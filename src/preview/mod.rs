//! What a rollout would do, found out without touching anything: what was seen on the hosts, what the state
//! machine makes of that, and what a careful person should know before.

mod change;
mod forecast;
mod risk;
mod saved;
mod seen;
mod whole;

pub use change::{Change, changes};
pub use forecast::{Forecast, Pace, forecast};
pub use risk::{Risk, host_risks, rollout_risks};
pub use saved::{Next, SavedPlan, SavedPlanError, Source};
pub use seen::{Leaf, Missed, Seen, SeenFile, SeenHost, SeenReads, SeenServed, differences};
pub use whole::Preview;
