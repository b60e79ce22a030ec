//! Measurements in, verdict out. An inconclusive gate pauses a rollout and never promotes it. Each gate has a file.

mod handshakes;

pub use handshakes::{HandshakeFailure, HandshakeSample, Handshakes};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::HostName;

/// What a wave has to pass while it soaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Every handshake shows the new certificate.
    Handshakes,
}

/// What a gate measured since the soak started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sample {
    /// Handshakes with every host of the wave, round after round.
    Handshakes(HandshakeSample),
}

impl Sample {
    /// Of a gate that measured nothing.
    pub fn empty(gate: Gate) -> Self {
        match gate {
            Gate::Handshakes => Sample::Handshakes(HandshakeSample::default()),
        }
    }

    /// The gate that measured it.
    pub fn gate(&self) -> Gate {
        match self {
            Sample::Handshakes(_) => Gate::Handshakes,
        }
    }

    /// Whether it passes; none where nothing was measured.
    fn judge(&self) -> Option<Result<(), GateFailure>> {
        match self {
            Sample::Handshakes(sample) => {
                sample.judge().map(|judged| judged.map_err(GateFailure::Handshakes))
            }
        }
    }
}

/// Why a gate does not let a wave pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GateFailure {
    /// Handshakes failed.
    Handshakes(HandshakeFailure),
}

impl GateFailure {
    /// The hosts that it is known to be about.
    pub fn hosts(&self) -> &[HostName] {
        match self {
            GateFailure::Handshakes(failure) => &failure.hosts,
        }
    }
}

/// What the gates of a soak say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Stop: one of them failed.
    Fail(GateFailure),
    /// The soak is not over, and nothing passes before it is.
    Wait,
    /// It is over, and not every gate was asked for what it measured.
    Ask,
    /// One of them measured nothing: neither pass nor fail.
    Inconclusive,
    /// Go on.
    Pass,
}

/// What the gates of a soak that lasts `until` say by their samples. Of two samples of one gate, the later counts.
pub fn judge(gates: &[Gate], samples: &[Sample], until: Timestamp, now: Timestamp) -> Verdict {
    let (mut unasked, mut inconclusive) = (false, false);
    for gate in gates {
        let sample = samples.iter().rfind(|sample| sample.gate() == *gate);
        match sample.map(Sample::judge) {
            Some(Some(Err(failure))) => return Verdict::Fail(failure),
            Some(Some(Ok(()))) => {}
            Some(None) => inconclusive = true,
            None => unasked = true,
        }
    }
    if now < until {
        Verdict::Wait
    } else if unasked {
        Verdict::Ask
    } else if inconclusive {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_success() {
        let [before, until] = [9, 10].map(|second| Timestamp::from_second(second).unwrap());
        let told = |samples: &[(u64, u64)], now| {
            let sample = |&(tried, failed): &(u64, u64)| {
                let handshakes = Handshakes { tried, failed };
                Sample::Handshakes(HandshakeSample { handshakes, ..HandshakeSample::default() })
            };
            let samples: Vec<Sample> = samples.iter().map(sample).collect();
            judge(&[Gate::Handshakes], &samples, until, now)
        };
        assert_eq!(told(&[(0, 0)], until), Verdict::Inconclusive);
        assert_eq!(told(&[(9, 0)], until), Verdict::Pass);
        assert!(matches!(told(&[(9, 1)], until), Verdict::Fail(_)));
        assert_eq!(told(&[], until), Verdict::Ask);
        // A failure is not slept over; nothing else counts before its time.
        assert!(matches!(told(&[(9, 1)], before), Verdict::Fail(_)));
        for samples in [&[][..], &[(0, 0)], &[(9, 0)]] {
            assert_eq!(told(samples, before), Verdict::Wait);
        }
        assert_eq!(told(&[(0, 0), (9, 0)], until), Verdict::Pass);
    }

    /// As journals of every version have it.
    #[test]
    fn what_is_kept_of_a_sample_stays_as_it_is() {
        let sample = r#"{"tried":9,"failed":1,"failed_hosts":["a"],"first_failure":"it was slow"}"#;
        let failure = r#"{"handshakes":{"tried":9,"failed":1},"hosts":["a"],"reason":"it was slow"}"#;
        let read: Sample = serde_json::from_str(sample).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), sample);
        let Some(Err(failed)) = read.judge() else { panic!("{read:?} passes") };
        assert_eq!(serde_json::to_string(&failed).unwrap(), failure);
        assert_eq!(serde_json::from_str::<GateFailure>(failure).unwrap(), failed);
    }
}
