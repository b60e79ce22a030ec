//! All that a plan shows, found out from what was seen.

use jiff::Timestamp;

use crate::certificate::Leaf;
use crate::plan::Plan;
use crate::preview::change::{Change, changes};
use crate::preview::forecast::{Forecast, Pace, forecast};
use crate::preview::host_risks::host_risks;
use crate::preview::risk::{Bar, Risk};
use crate::preview::rollout_risks::rollout_risks;
use crate::preview::seen::Seen;
use crate::rollout::WaveFailure;

/// A rollout before it happens.
#[derive(Debug)]
pub struct Preview<'p> {
    /// What would be done.
    pub plan: &'p Plan,
    /// What was seen on each host of the schedule.
    pub seen: &'p [Seen],
    /// What would become of each.
    pub changes: Vec<Change>,
    /// What a careful person should know of each.
    pub host_risks: Vec<Vec<Risk>>,
    /// And of the rollout as a whole.
    pub risks: Vec<Risk>,
    /// If hosts are as fast as they ever are.
    pub fastest: Forecast,
    /// If everything takes all the time that it may.
    pub slowest: Forecast,
    /// When it would begin.
    pub start: Timestamp,
}

impl<'p> Preview<'p> {
    /// `next` are the leaves that would be rolled out, where they are known already; `failure` says why a wave stops.
    pub fn new(
        plan: &'p Plan,
        seen: &'p [Seen],
        next: &[Leaf],
        start: Timestamp,
        failure: fn(&WaveFailure) -> String,
    ) -> Self {
        let fastest = forecast(plan, seen, Pace::Fastest, start);
        let slowest = forecast(plan, seen, Pace::Slowest, start);
        let hosts = plan.hosts.iter().zip(seen);
        Self {
            plan,
            seen,
            changes: changes(plan, &fastest, seen),
            host_risks: hosts.map(|(host, seen)| host_risks(host, seen, next, start)).collect(),
            risks: rollout_risks(seen, (&fastest, &slowest), start, failure),
            fastest,
            slowest,
            start,
        }
    }

    /// Whether a rollout would change anything.
    pub fn has_changes(&self) -> bool {
        self.changes.iter().any(Change::is_pending)
    }

    /// Whether a rollout is sure to fail, with everything as it was seen.
    pub fn is_sure_to_fail(&self) -> bool {
        !self.fastest.failures.is_empty() || self.risks.iter().any(|risk| risk.bar() == Bar::Always)
    }

    /// How many hosts would change.
    pub fn changing(&self) -> usize {
        self.changes.iter().filter(|change| matches!(change, Change::Switch { .. } | Change::Confirm)).count()
    }
}
