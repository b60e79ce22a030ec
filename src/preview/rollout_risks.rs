//! What a careful person should know of a rollout as a whole.

use jiff::{SignedDuration, Timestamp};

use crate::preview::forecast::Forecast;
use crate::preview::risk::Risk;
use crate::preview::seen::Seen;
use crate::rollout::WaveFailure;

/// The risks of the rollout as a whole. `failure` says why a wave stops, in words.
pub fn rollout_risks(
    seen: &[Seen],
    (fastest, slowest): (&Forecast, &Forecast),
    start: Timestamp,
    failure: fn(&WaveFailure) -> String,
) -> Vec<Risk> {
    let mut risks = Vec::new();
    for (wave, reason) in &fastest.failures {
        risks.push(Risk::WaveStops { wave: wave.clone(), reason: failure(reason) });
    }
    for (wave, reason) in &slowest.failures {
        let missed = matches!(reason, WaveFailure::Overdue { .. });
        if missed && !fastest.failures.iter().any(|(other, _)| other == wave) {
            risks.push(Risk::MayMissDeadline { wave: wave.clone() });
        }
    }
    let served = seen.iter().zip(&fastest.steps).filter_map(|(seen, steps)| match seen {
        Seen::Host(host) if steps.len() > 1 => {
            host.served.iter().filter_map(|one| Some(one.leaf.as_ref()?.expires())).min()
        }
        _ => None,
    });
    let over = SignedDuration::try_from(slowest.takes).ok().and_then(|takes| start.checked_add(takes).ok());
    if let (Some(expires), Some(over)) = (served.min(), over)
        && expires <= over
    {
        risks.push(Risk::TooLate { expires, over });
    }
    risks
}
