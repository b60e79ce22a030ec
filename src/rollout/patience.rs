//! How long a host that does not answer on its way back is tried.

use jiff::{SignedDuration, Timestamp};

/// So often a host is tried in any case.
const TRIES: u8 = 4;
/// The host's own reload comes after its switch is due.
const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// When a host has gone back by itself, whose dead-man switch is due then.
pub(super) fn back_by(returns_at: Option<Timestamp>) -> Option<Timestamp> {
    returns_at?.checked_add(GRACE).ok()
}

/// Whether a host that did not answer at this time, after so many tries, is tried once more.
pub(super) fn is_tried_again(returns_at: Option<Timestamp>, tries: u8, now: Timestamp) -> bool {
    tries < TRIES || back_by(returns_at).is_some_and(|due| now < due)
}

/// What becomes of a host that is given up, in words.
pub(super) fn promise(returns_at: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let due = returns_at?;
    let puts = if now < due { "puts" } else { "should have put" };
    Some(format!("its dead-man switch {puts} the previous certificate back by {}", due.strftime("%H:%M:%SZ")))
}
