//! The end of the servers' own logs, with a failure after the switch.

use crate::engine::host::session::{Session, answer};
use crate::install::{InstallSpec, OwnWords};
use crate::plan::{HostPlan, SCRIPT};
use crate::ports::Connection;

/// A reason why a host failed after its switch, with what the servers' own logs got since then. Where they cannot be read, the
/// reason is as it is.
pub(super) async fn explained<C: Connection>(
    session: &Session<C>,
    plan: &HostPlan,
    reason: String,
) -> String {
    let Ok(output) = session.task(&InstallSpec::own_words(), SCRIPT).await else { return reason };
    let words = OwnWords::parse(&answer(&output), &plan.script_services()).unwrap_or_default();
    words.iter().fold(reason, |reason, words| words.explain(&reason))
}
