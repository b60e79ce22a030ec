//! Who goes when: waves cut into batches, with the limits that stop them.

use std::ops::Range;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{Amount, HostName, Version, WaveName, Window};
use crate::playbook::OnFailure;

/// The order of a rollout, with no choice left in it. Hosts are numbered in the order they go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Every host, in the order they go; each is in exactly one wave.
    pub hosts: Vec<HostName>,
    /// The waves, first to last.
    pub waves: Vec<WaveSchedule>,
    /// What follows when a wave failed.
    pub on_failure: OnFailure,
    /// Every host is tried, whatever becomes of the others: on the way back to an earlier certificate.
    #[serde(default)]
    pub every_host: bool,
    /// Hosts are begun only then; on the way back at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// What was rolled out is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// The rollout fails when it is not over after so much work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
}

impl Schedule {
    /// Whether it leads back to an earlier certificate.
    pub fn goes_back(&self) -> bool {
        self.every_host
    }
}

/// When hosts may be begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// In any of these.
    pub allow: Vec<Window>,
    /// With no more than this left of what is served, at any time.
    pub override_before_expiry: Option<Duration>,
    /// When what is served expires, as far as the store knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_until: Option<Timestamp>,
}

impl Windows {
    /// Now where hosts may be begun, else when they may; none where no window ever opens.
    pub fn open(&self, now: Timestamp) -> Option<Timestamp> {
        let opens = self.allow.iter().filter_map(|window| window.opens(now)).min();
        let overridden = self.overridden_from().map(|from| from.max(now));
        opens.into_iter().chain(overridden).min()
    }

    /// From when on they no longer count.
    pub fn overridden_from(&self) -> Option<Timestamp> {
        let before = SignedDuration::try_from(self.override_before_expiry?).ok()?;
        self.served_until?.checked_sub(before).ok()
    }
}

/// Each host goes back to the version that it had before the one that was rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// What expires before this time is not gone back to: a renewal could not be sure to finish.
    pub lasts_until: Timestamp,
    /// Versions that are gone back to all the same.
    pub accepted: Vec<Version>,
}

/// One wave of a [`Schedule`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveSchedule {
    /// The playbook's name for it.
    pub name: WaveName,
    /// Batches, first to last: each a range of the schedule's hosts, none empty, without gaps.
    pub batches: Vec<Range<usize>>,
    /// At most this many hosts are in flight at once, forward and back; at least 1.
    pub parallel: usize,
    /// More failed hosts than this stop the wave.
    pub max_failures: usize,
    /// How long the wave is watched before the next one starts.
    pub soak: Duration,
    /// It begins only once somebody approved it.
    #[serde(default)]
    pub approval: bool,
    /// The wave fails when no host of it comes to its end for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Duration>,
    /// The wave fails when it, with its soak, is not over after so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
}

impl WaveSchedule {
    /// The wave's hosts as a range of the schedule's.
    pub fn hosts(&self) -> Range<usize> {
        let first = self.batches.first().map_or(0, |batch| batch.start);
        first..self.batches.last().map_or(first, |batch| batch.end)
    }
}

impl Schedule {
    /// The number of the wave that a host is in.
    pub fn wave_of(&self, host: usize) -> usize {
        self.waves.partition_point(|wave| wave.hosts().end <= host)
    }
}

/// Cuts `hosts` into batches as Ansible's `serial` does: each size once, the last one repeated; a share
/// counts at least one host; no sizes at all means one batch.
pub fn batches(hosts: Range<usize>, sizes: &[Amount]) -> Vec<Range<usize>> {
    let mut cut = Vec::new();
    let mut start = hosts.start;
    let mut sizes = sizes.iter();
    let mut size = hosts.len();
    while start < hosts.end {
        if let Some(next) = sizes.next() {
            size = next.of(hosts.len());
        }
        let end = hosts.end.min(start + size.max(1));
        cut.push(start..end);
        start = end;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_cut_as_ansibles_serial() {
        let sizes: Vec<Amount> = ["1", "10%", "50%"].iter().map(|size| size.parse().unwrap()).collect();
        assert_eq!(batches(5..25, &sizes), [5..6, 6..8, 8..18, 18..25]);
        assert_eq!(batches(0..3, &[]), std::slice::from_ref(&(0..3)));
        assert_eq!(batches(0..3, &["10%".parse().unwrap()]), [0..1, 1..2, 2..3]);
        assert!(batches(0..0, &sizes).is_empty());
    }
}
