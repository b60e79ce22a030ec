//! Which risks of a host a rollout that goes ahead repeats at its end.

use crate::plan::HostPlan;
use crate::preview::lasting::Lasting;
use crate::preview::risk::{Bar, Risk};
use crate::rollout::Remark;

/// All that a rollout went ahead with, as it keeps them; also what a person accepted. What is looked at again after the switch is told
/// as it is then.
pub fn told(plan: &HostPlan, risks: &[Risk]) -> Vec<Remark> {
    let goes_ahead = |risk: &&Risk| match risk.bar() {
        Bar::Never => true,
        Bar::UnlessAccepted => plan.accepted,
        Bar::Always => false,
    };
    let is_asked_again = |risk: &Risk| {
        matches!(
            risk,
            Risk::NameElsewhere { .. }
                | Risk::NameUnanswered { .. }
                | Risk::Lasting(Lasting::StapleUnfit { .. })
        )
    };
    risks.iter().filter(goes_ahead).filter(|risk| !is_asked_again(risk)).map(Risk::remark).collect()
}
