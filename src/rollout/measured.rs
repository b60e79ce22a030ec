//! What clients would have noticed while a host was switched.

use serde::{Deserialize, Serialize};

use crate::gate::Handshakes;
use crate::rollout::remark::Remark;
use crate::verify::HeldOutcome;

/// What was seen from outside while a host was switched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Handshakes, each at its turn.
    pub handshakes: Handshakes,
    /// The first reason why one failed.
    pub first_failure: Option<String>,
    /// What became of the request that was in flight; none where the endpoint does not speak HTTP.
    pub held: Option<HeldOutcome>,
    /// Connections that were used once and kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub idle: u64,
    /// Of these, those that the server closed. A client whose next request crosses that loses it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closed: u64,
    /// Failed handshakes that the way of switching does not explain: all of them where the listener outlives it, else those
    /// behind the first gap.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unexplained: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Measured {
    /// Whether anything was watched.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// This and another one together. Where one request of several was cut, that is told.
    pub fn and(self, other: Self) -> Self {
        Self {
            handshakes: Handshakes {
                tried: self.handshakes.tried + other.handshakes.tried,
                failed: self.handshakes.failed + other.handshakes.failed,
            },
            first_failure: self.first_failure.or(other.first_failure),
            held: match (self.held, other.held) {
                (Some(HeldOutcome::Cut(reason)), _) | (_, Some(HeldOutcome::Cut(reason))) => {
                    Some(HeldOutcome::Cut(reason))
                }
                (first, second) => first.or(second),
            },
            idle: self.idle + other.idle,
            closed: self.closed + other.closed,
            unexplained: self.unexplained + other.unexplained,
        }
    }

    /// Why a switch counts as failed though its certificate is proven: more handshakes failed than may.
    pub fn disruption(&self, at_most_failed: u64) -> Option<String> {
        (self.unexplained > at_most_failed).then(|| {
            format!(
                "the new certificate is served, but clients noticed the switch: {} of {} handshakes failed, and {at_most_failed} \
                 may fail (`verify: at_most_failed`); the first: {}",
                self.handshakes.failed,
                self.handshakes.tried,
                self.first_failure.as_deref().unwrap_or("no reason was given"),
            )
        })
    }
}

/// What was seen of a host whose every endpoint serves the new certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proven {
    /// While it was switched.
    #[serde(flatten)]
    pub measured: Measured,
    /// What a careful person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Remark>,
    /// Why it counts as failed all the same, where clients noticed its switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disrupted: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(tried: u64, failed: u64, unexplained: u64, held: Option<HeldOutcome>) -> Measured {
        let first_failure = (failed > 0).then(|| format!("refused {failed}"));
        Measured {
            handshakes: Handshakes { tried, failed },
            first_failure,
            held,
            idle: 2,
            closed: failed.min(2),
            unexplained,
        }
    }

    #[test]
    fn two_are_told_together_by_what_is_worst() {
        let cut = || Some(HeldOutcome::Cut("reset".to_owned()));
        let answered = || Some(HeldOutcome::Answered);
        let both = measured(5, 1, 1, answered()).and(measured(7, 2, 1, cut()));
        let first_failure = Some("refused 1".to_owned());
        assert_eq!(both, Measured { first_failure, idle: 4, closed: 3, ..measured(12, 3, 2, cut()) });
        assert_eq!(measured(1, 0, 0, None).and(measured(1, 0, 0, answered())).held, answered());
        assert_eq!(measured(1, 0, 0, cut()).and(measured(1, 0, 0, answered())).held, cut());
        assert!(!Measured::default().is_any() && measured(1, 0, 0, None).is_any());
    }

    #[test]
    fn more_failed_handshakes_than_may_fail_are_a_disruption() {
        let words = measured(129, 5, 3, None).disruption(2).unwrap();
        insta::assert_snapshot!(words, @"the new certificate is served, but clients noticed the switch: 5 of 129 handshakes failed, and 2 may fail (`verify: at_most_failed`); the first: refused 5");
        assert_eq!(measured(129, 5, 3, None).disruption(3), None);
        // A restart explains its gap.
        assert_eq!(measured(129, 122, 0, None).disruption(0), None);
    }
}
