//! What would become of one host, in a word.

use serde::Serialize;

use crate::plan::{HostPlan, Plan};
use crate::preview::forecast::Forecast;
use crate::preview::inspected::{inspected, staged};
use crate::preview::seen::Seen;
use crate::rollout::{HostOutcome, Step, StepFailure};

/// What would become of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The certificate is uploaded, if it is not there, and switched to.
    Switch {
        /// It is not in the host's archive yet.
        upload: bool,
    },
    /// It has the certificate already; it is proven and confirmed.
    Confirm,
    /// It has the certificate already.
    Nothing,
    /// It goes back to what it had before.
    Back,
    /// It would be switched, and back again: a wave stops.
    BackAgain,
    /// It would fail, before anything live is changed.
    Fails {
        /// In words.
        reason: String,
    },
    /// It does not answer.
    Away {
        /// In words.
        reason: String,
    },
    /// The rollout would stop before its turn.
    NotReached,
}

impl Change {
    /// Whether a rollout would change something there.
    pub fn is_pending(&self) -> bool {
        !matches!(self, Change::Nothing)
    }
}

/// What would become of each host of a forecast, in the schedule's order.
pub fn changes(plan: &Plan, forecast: &Forecast, seen: &[Seen]) -> Vec<Change> {
    let hosts = forecast.outcomes.iter().zip(&forecast.steps).zip(plan.hosts.iter().zip(seen));
    hosts.map(|((outcome, steps), (plan, seen))| change(*outcome, steps, plan, seen)).collect()
}

fn change(outcome: HostOutcome, steps: &[Step], plan: &HostPlan, seen: &Seen) -> Change {
    let does = |step| steps.contains(&step);
    match outcome {
        HostOutcome::Changed if does(Step::Activate) => Change::Switch { upload: does(Step::Stage) },
        HostOutcome::Changed => Change::Confirm,
        HostOutcome::Unchanged => Change::Nothing,
        HostOutcome::RolledBack if does(Step::Activate) => Change::BackAgain,
        HostOutcome::RolledBack => Change::Back,
        HostOutcome::Untouched => Change::NotReached,
        HostOutcome::Failed | HostOutcome::Unreachable | HostOutcome::RollbackFailed => {
            match inspected(plan, seen) {
                Err(StepFailure::Unreachable { reason }) => Change::Away { reason },
                Err(failure) => Change::Fails { reason: failure.reason().to_owned() },
                Ok(_) => match staged(plan, seen) {
                    Err(failure) => Change::Fails { reason: failure.reason().to_owned() },
                    // It may not go back, and nothing was reloaded.
                    Ok(_) => Change::Fails { reason: "there is nothing that it may go back to".to_owned() },
                },
            }
        }
    }
}
