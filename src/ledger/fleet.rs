//! Which versions hosts were verified on, one after the other, and so where they can go back to together.

use std::collections::BTreeMap;

use crate::ledger::HostEnd;
use crate::model::{HostName, Version};
use crate::plan::Direction;
use crate::rollout::HostOutcome;

/// For each host, the versions of a certificate that it was verified on and that were not taken back since, oldest first. A
/// version that a host refused, or was rolled back from, is none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetVersions(BTreeMap<HostName, Vec<Version>>);

/// Where hosts can go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayBack {
    /// To a version that each of them was verified on.
    To(Version),
    /// All of them serve this one, and each goes back to what it had before: there is none that they share.
    Before(Version),
    /// There are versions that all were verified on, and none of them is fit any more.
    Unfit(Version),
    /// They serve different versions, and were never verified on a common one.
    Apart,
    /// No rollout left a version on any of them.
    Nothing,
}

impl FleetVersions {
    /// The next rollout of `version`, oldest first, and how it left its hosts.
    pub fn take_in(
        &mut self,
        direction: &Direction,
        version: &Version,
        ends: impl IntoIterator<Item = HostEnd>,
    ) {
        use HostOutcome::{Changed, RollbackFailed, RolledBack, Unchanged};
        for HostEnd { host, outcome, .. } in ends {
            let versions = self.0.entry(host).or_default();
            let known = versions.iter().rposition(|one| one == version);
            match (direction, outcome, known) {
                (Direction::Undo(_), RolledBack, Some(known)) => versions.truncate(known),
                (Direction::Back, Changed | Unchanged, Some(known)) => versions.truncate(known + 1),
                // One that could not be put back may serve it still.
                (Direction::Forward, Changed | Unchanged | RollbackFailed, _)
                | (Direction::Back, Changed | Unchanged, None)
                    if versions.last() != Some(version) =>
                {
                    versions.push(version.clone());
                }
                _ => {}
            }
        }
    }

    /// Where these hosts go back to together, with the fewest steps in all: at least one of them moves, and each of them was
    /// verified on it. Hosts that were never verified on any version do not count. `is_there` tells versions that can be
    /// rolled out, `is_fit` those of them that may.
    pub fn back<'h>(
        &self,
        hosts: impl IntoIterator<Item = &'h HostName>,
        is_there: impl Fn(&Version) -> bool,
        is_fit: impl Fn(&Version) -> bool,
    ) -> WayBack {
        let all = hosts.into_iter().filter_map(|host| self.0.get(host));
        let all: Vec<&Vec<Version>> = all.filter(|versions| !versions.is_empty()).collect();
        let Some(first) = all.first() else { return WayBack::Nothing };
        let steps = |version: &Version| -> Option<usize> {
            let each = all.iter().map(|of_host| {
                of_host.iter().rposition(|one| one == version).map(|known| of_host.len() - 1 - known)
            });
            each.sum()
        };
        let mut common: Vec<(usize, &Version)> =
            first.iter().filter_map(|version| Some((steps(version)?, version))).collect();
        common.retain(|(steps, version)| *steps > 0 && is_there(version));
        common.sort();
        let last = first.last().filter(|last| all.iter().all(|versions| versions.last() == Some(last)));
        match (common.iter().find(|(_, version)| is_fit(version)), common.first(), last) {
            (Some((_, version)), _, _) => WayBack::To((*version).clone()),
            (None, Some((_, version)), _) => WayBack::Unfit((*version).clone()),
            (None, None, Some(last)) => WayBack::Before(last.clone()),
            (None, None, None) => WayBack::Apart,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::plan::Undo;

    fn version(number: u8) -> Version {
        format!("202610{number:02}T000000Z-0000000{number}").parse().unwrap()
    }

    /// Rollouts of versions, each on hosts `a` and `b`: `1++` left both on it, `2-+` was rolled back from the first, `3!.`
    /// could not be put back on the first and never came to the second. `4==` found both on it. `<1++` went back to a version, and `/1--` took one back.
    fn fleet(story: &str) -> FleetVersions {
        let mut fleet = FleetVersions::default();
        for word in story.split_whitespace() {
            let undo = Undo { lasts_until: Timestamp::UNIX_EPOCH, accepted: Vec::new() };
            let (direction, word) = match word.as_bytes()[0] {
                b'<' => (Direction::Back, &word[1..]),
                b'/' => (Direction::Undo(undo), &word[1..]),
                _ => (Direction::Forward, word),
            };
            let end = |(host, how): (&str, char)| HostEnd {
                host: host.parse().unwrap(),
                outcome: match how {
                    '+' => HostOutcome::Changed,
                    '-' => HostOutcome::RolledBack,
                    '!' => HostOutcome::RollbackFailed,
                    '=' => HostOutcome::Unchanged,
                    _ => HostOutcome::Untouched,
                },
                previous: None,
                passed: true,
            };
            let ends = ["a", "b"].into_iter().zip(word[1..].chars()).map(end);
            fleet.take_in(&direction, &version(word[..1].parse().unwrap()), ends);
        }
        fleet
    }

    fn hosts() -> [HostName; 2] {
        ["a", "b"].map(|host| host.parse().unwrap())
    }

    fn back(story: &str) -> WayBack {
        fleet(story).back(&hosts(), |_| true, |_| true)
    }

    fn to(number: u8) -> WayBack {
        WayBack::To(version(number))
    }

    #[test]
    fn a_version_that_no_host_kept_is_no_way_back() {
        assert_eq!(back("1++ 2-. 3++"), to(1));
        assert_eq!(back("1++ 2-."), WayBack::Before(version(1)));
        assert_eq!(back("2-."), WayBack::Nothing);
        assert_eq!(back(""), WayBack::Nothing);
    }

    #[test]
    fn what_came_to_some_hosts_alone_is_taken_back_from_them_and_given_to_no_other() {
        // The second host never had the second version.
        assert_eq!(back("1++ 2+. 3++"), to(1));
        // Interrupted after the first host, or stuck there.
        assert_eq!(back("1++ 2++ 3+."), to(2));
        assert_eq!(back("1++ 2!."), to(1));
        // One host went back already: the other follows.
        assert_eq!(back("1++ 2++ <1+."), to(1));
        assert_eq!(back("1+. 2.+"), WayBack::Apart);
        assert_eq!(back("2+. 1.+ 2.+"), WayBack::Before(version(2)));
        // Three steps of the first host are fewer than two of each.
        assert_eq!(back("1+. 2++ 5.+ 3+. 4+. 1.+"), to(1));
    }

    #[test]
    fn the_way_back_leads_further_each_time() {
        assert_eq!(back("1++ 2++ 3++"), to(2));
        assert_eq!(back("1++ 2++ 3++ <2++"), to(1));
        assert_eq!(back("1++ 2++ 3++ <2++ <1++"), WayBack::Before(version(1)));
        assert_eq!(back("1++ /1--"), WayBack::Nothing);
        // What was taken back is gone, and what comes then stands on what is left.
        assert_eq!(back("1++ 2++ <1++ 3++"), to(1));
        // An older version that was rolled out on purpose is followed by what was there.
        assert_eq!(back("1++ 2++ 1++"), to(2));
    }

    #[test]
    fn a_host_that_was_on_a_version_twice_goes_back_from_the_second_time() {
        assert_eq!(back("1++ 2++ 1++ 3++ <1++"), to(2));
        assert_eq!(back("1++ 2++ 1++ /1--"), to(1));
        assert_eq!(back("1++ 2++ 1++ 2++"), to(1));
        // A second rollout of what is there is no second time.
        assert_eq!(back("1++ 2++ 2=="), to(1));
        assert_eq!(back("1++ 2++ 2++"), to(1));
    }

    #[test]
    fn a_host_is_where_it_was_found_and_stays_where_nobody_took_it_back() {
        assert_eq!(back("1++ 2++ 3++ <2=="), to(1));
        assert_eq!(back("1++ 2++ 3++ <2=+"), to(1));
        // One that could not be taken back stays on what it was to be taken off.
        assert_eq!(back("1++ 2++ /2!!"), to(1));
        assert_eq!(back("1++ 2++ /2.."), to(1));
        assert_eq!(back("1== 2++"), to(1));
        assert_eq!(back("1++ 2++ <1!!"), to(1));
        // To what it never was on, a host can go back on purpose.
        assert_eq!(back("2++ 3++ <1++"), to(3));
    }

    #[test]
    fn what_is_revoked_is_passed_over_and_what_is_gone_leaves_each_host_its_own() {
        let fleet = fleet("1++ 2++ 3++");
        let back = |there: &[u8], fit: &[u8]| {
            let among = |numbers: &[u8], one: &Version| numbers.iter().any(|number| version(*number) == *one);
            fleet.back(&hosts(), |one| among(there, one), |one| among(fit, one))
        };
        assert_eq!(back(&[1, 2, 3], &[1, 3]), to(1));
        assert_eq!(back(&[1, 2, 3], &[3]), WayBack::Unfit(version(2)));
        assert_eq!(back(&[1, 3], &[1, 3]), to(1));
        assert_eq!(back(&[3], &[3]), WayBack::Before(version(3)));
    }
}
