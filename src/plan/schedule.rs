//! Who goes when: waves cut into batches, with the limits that stop them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::gate::Gate;
use crate::model::{Amount, HostName, Version, WaveName, Window};
use crate::plan::host_index::{HostIndex, HostRange, PerHost};
use crate::playbook::OnFailure;

/// The order of a rollout, with no choice left in it. Hosts are numbered in the order they go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "StoredSchedule", try_from = "StoredSchedule")]
pub struct Schedule {
    /// Every host, in the order they go; each is in exactly one wave.
    pub hosts: PerHost<HostName>,
    /// The waves, first to last.
    pub waves: Vec<WaveSchedule>,
    /// What follows when a wave failed.
    pub on_failure: OnFailure,
    /// Which way it leads.
    pub direction: Direction,
    /// Hosts are begun only then; on the way back at any time.
    pub windows: Option<PlannedWindows>,
    /// The rollout fails when it is not over after so much work.
    pub deadline: Option<Duration>,
    /// The longest that a host's dead-man switch waits; none where there is none.
    pub dead_man: Option<Duration>,
    /// Hosts that an earlier rollout left on the same version before their wave had passed: a wave with one of them is
    /// watched, though it has nothing to change there.
    pub unsoaked: BTreeSet<HostIndex>,
}

impl Schedule {
    /// Whether it leads back to an earlier certificate. Then every host is tried, whatever becomes of the others.
    pub fn goes_back(&self) -> bool {
        self.direction != Direction::Forward
    }

    /// How each host goes back to what it had before, if that is what is wanted.
    pub fn undo(&self) -> Option<&Undo> {
        match &self.direction {
            Direction::Undo(undo) => Some(undo),
            Direction::Forward | Direction::Back => None,
        }
    }
}

/// Which way a rollout leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// To a certificate that is newer, or chosen.
    Forward,
    /// To an earlier version, which is in the store: it is rolled out as a new one would be.
    Back,
    /// What was rolled out is taken back: each host has its own way.
    Undo(Undo),
}

/// A schedule as plans and journals keep it. The direction is in two of its fields, of which the first did not always exist.
#[derive(Serialize, Deserialize)]
struct StoredSchedule {
    hosts: PerHost<HostName>,
    waves: Vec<WaveSchedule>,
    on_failure: OnFailure,
    #[serde(default)]
    every_host: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    windows: Option<PlannedWindows>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undo: Option<Undo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_man: Option<Duration>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    unsoaked: BTreeSet<HostIndex>,
}

impl From<Schedule> for StoredSchedule {
    fn from(schedule: Schedule) -> Self {
        let Schedule { hosts, waves, on_failure, direction, windows, deadline, dead_man, unsoaked } =
            schedule;
        let (every_host, undo) = match direction {
            Direction::Forward => (false, None),
            Direction::Back => (true, None),
            Direction::Undo(undo) => (true, Some(undo)),
        };
        Self { hosts, waves, on_failure, every_host, windows, undo, deadline, dead_man, unsoaked }
    }
}

impl TryFrom<StoredSchedule> for Schedule {
    type Error = &'static str;

    fn try_from(stored: StoredSchedule) -> Result<Self, Self::Error> {
        let StoredSchedule {
            hosts,
            waves,
            on_failure,
            every_host,
            windows,
            undo,
            deadline,
            dead_man,
            unsoaked,
        } = stored;
        let direction = match (every_host, undo) {
            (false, None) => Direction::Forward,
            (true, None) => Direction::Back,
            (true, Some(undo)) => Direction::Undo(undo),
            (false, Some(_)) => return Err("a schedule that undoes something tries every host"),
        };
        Ok(Self { hosts, waves, on_failure, direction, windows, deadline, dead_man, unsoaked })
    }
}

/// When hosts may be begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWindows {
    /// In any of these.
    pub allow: Vec<Window>,
    /// With no more than this left of what is served, at any time.
    pub override_before_expiry: Option<Duration>,
    /// When what is served expires, as far as the store knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_until: Option<Timestamp>,
}

impl PlannedWindows {
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
    pub batches: Vec<HostRange>,
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
    /// What it has to pass while it soaks: of every wave the same.
    pub fn gates(&self) -> &'static [Gate] {
        &[Gate::Handshakes]
    }

    /// The wave's hosts.
    pub fn hosts(&self) -> HostRange {
        whole(&self.batches)
    }
}

impl Schedule {
    /// The number of the wave that a host is in.
    pub fn wave_of(&self, host: HostIndex) -> usize {
        self.waves.partition_point(|wave| wave.hosts().end <= host)
    }

    /// A host's place.
    pub fn index_of(&self, host: &HostName) -> Option<HostIndex> {
        self.hosts.indexed().find(|(_, name)| *name == host).map(|(host, _)| host)
    }
}

/// Cuts `hosts` into batches as Ansible's `serial` does: each size once, the last one repeated; a share
/// counts at least one host; no sizes at all means one batch.
pub fn batches(hosts: Range<usize>, sizes: &[Amount]) -> Vec<HostRange> {
    let mut cut = Vec::new();
    let mut start = hosts.start;
    let mut sizes = sizes.iter();
    let mut size = hosts.len();
    while start < hosts.end {
        if let Some(next) = sizes.next() {
            size = next.of(hosts.len());
        }
        let end = hosts.end.min(start + size.max(1));
        cut.push((start..end).into());
        start = end;
    }
    cut
}

/// From the first of some batches to the last.
pub fn whole(batches: &[HostRange]) -> HostRange {
    let (first, last) = (batches.first(), batches.last());
    first
        .zip(last)
        .map_or(HostRange::default(), |(first, last)| HostRange { start: first.start, end: last.end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_cut_as_ansibles_serial() {
        let sizes: Vec<Amount> = ["1", "10%", "50%"].iter().map(|size| size.parse().unwrap()).collect();
        let cut = |hosts, sizes| {
            let batches = batches(hosts, sizes);
            batches.into_iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(cut(5..25, &sizes), [1, 2, 10, 7]);
        assert_eq!(whole(&batches(5..25, &sizes)), (5..25).into());
        assert_eq!(cut(0..3, &[]), [3]);
        assert_eq!(cut(0..3, &["10%".parse().unwrap()]), [1, 1, 1]);
        assert!(batches(0..0, &sizes).is_empty());
    }

    /// As plans and journals of every version have it.
    #[test]
    fn each_direction_is_kept_as_it_always_was() {
        let stored = |fields: &str| format!(r#"{{"hosts":["a"],"waves":[],"on_failure":"halt"{fields}}}"#);
        let read = |fields: &str| serde_json::from_str::<Schedule>(&stored(fields));
        assert_eq!(read("").unwrap().direction, Direction::Forward);
        let undo = r#""undo":{"lasts_until":"2027-01-01T00:00:00Z","accepted":[]}"#;
        let undone = Undo { lasts_until: "2027-01-01T00:00:00Z".parse().unwrap(), accepted: Vec::new() };
        for (fields, direction) in [
            (r#","every_host":false"#.to_owned(), Direction::Forward),
            (r#","every_host":true"#.to_owned(), Direction::Back),
            (format!(r#","every_host":true,{undo}"#), Direction::Undo(undone)),
        ] {
            let schedule = read(&fields).unwrap();
            assert_eq!(schedule.direction, direction);
            assert_eq!(serde_json::to_string(&schedule).unwrap(), stored(&fields));
        }
        assert!(read(&format!(r#","every_host":false,{undo}"#)).is_err());
    }
}
