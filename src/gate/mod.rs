//! Measurements in, verdict out. An inconclusive gate pauses a rollout and never promotes it.

use serde::{Deserialize, Serialize};

/// What was measured while a wave soaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Handshakes {
    /// Full handshakes tried.
    pub tried: u64,
    /// Those that failed, or did not show the new certificate whole and trusted.
    pub failed: u64,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Stop.
    Fail,
    /// Nothing was measured: neither.
    Inconclusive,
}

/// Every handshake of a soak must have shown the new certificate.
pub fn judge_soak(measured: Handshakes) -> Verdict {
    match measured {
        Handshakes { failed: 1.., .. } => Verdict::Fail,
        Handshakes { tried: 0, .. } => Verdict::Inconclusive,
        Handshakes { .. } => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_success() {
        assert_eq!(judge_soak(Handshakes { tried: 0, failed: 0 }), Verdict::Inconclusive);
        assert_eq!(judge_soak(Handshakes { tried: 9, failed: 0 }), Verdict::Pass);
        assert_eq!(judge_soak(Handshakes { tried: 9, failed: 1 }), Verdict::Fail);
    }
}
