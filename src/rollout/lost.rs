//! A host that cannot be reached on its way back. Its dead-man switch puts the previous certificate back in the end, so it is
//! tried for at least as long.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::later;
use crate::rollout::host::{HostPhase, HostState};
use crate::rollout::patience::back_by;
use crate::rollout::step::{Activated, Step, StepEnded, StepFailure};

/// The longest pause between two tries; of a switch that waits for hours, a twentieth of that.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Keeps in mind until when a host's dead-man switch is due, as far as a step tells. The longest that one waits is `dead_man`.
pub(super) fn note_step(host: &mut HostState, ended: &StepEnded, at: Timestamp, dead_man: Option<Duration>) {
    let due = dead_man.map(|dead_man| later(at, dead_man));
    match ended {
        StepEnded::Inspect(Ok(inspected)) if inspected.armed => host.returns_at = host.returns_at.or(due),
        // It was armed somewhere in that time.
        StepEnded::Activate(Ok(Activated::Reloaded(_)))
        | StepEnded::Activate(Err(StepFailure::Failed { .. } | StepFailure::InDoubt { .. })) => {
            note_switch(host, at, dead_man);
        }
        StepEnded::Activate(Ok(Activated::Refused { .. })) | StepEnded::Rollback(Ok(_)) => {
            host.returns_at = None;
        }
        // Whatever else a commit answers, the switch was disarmed, or has fired.
        StepEnded::Commit(Ok(_) | Err(StepFailure::Failed { .. })) => host.returns_at = None,
        _ => {}
    }
}

/// A host is switched from now on. What cannot be put back has no switch.
pub(super) fn note_switch(host: &mut HostState, at: Timestamp, dead_man: Option<Duration>) {
    let previous = host.previous.as_ref().filter(|previous| !previous.revoked);
    host.returns_at = dead_man.filter(|_| previous.is_some()).map(|dead_man| later(at, dead_man));
}

/// When it is tried again: after longer and longer pauses, and once after it must have gone back.
pub(super) fn next_try(host: &HostState, now: Timestamp, dead_man: Option<Duration>) -> Timestamp {
    let longest = dead_man.map_or(LONGEST_PAUSE, |dead_man| LONGEST_PAUSE.max(dead_man / 20));
    let pause = Duration::from_secs(1 << host.doubts.saturating_sub(1).min(40)).min(longest);
    let due = back_by(host.returns_at).filter(|due| now < *due);
    let next = later(now, pause);
    due.map_or(next, |due| next.min(due))
}

/// Whether a host waits for its next try.
pub(super) fn waits(host: &HostState, now: Timestamp) -> Option<Timestamp> {
    let is_on_its_way = host.phase == HostPhase::Ready(Step::Rollback);
    host.retry_at.filter(|at| is_on_its_way && *at > now)
}
