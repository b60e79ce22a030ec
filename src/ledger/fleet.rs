//! Which versions a fleet was verified on, one after the other.

use crate::model::Version;
use crate::rollout::{RolloutKind, RolloutOutcome, RolloutRecord};

/// The versions of a certificate that its fleet was verified on and that were not taken back since, oldest first. A
/// version that was stopped, or rolled back, is none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetVersions(Vec<Version>);

impl FleetVersions {
    /// A fold over the rollouts of one certificate, oldest first.
    pub fn of<'r>(rollouts: impl IntoIterator<Item = &'r RolloutRecord>) -> Self {
        let mut fleet = Self::default();
        rollouts.into_iter().for_each(|rollout| fleet.take_in(rollout));
        fleet
    }

    fn take_in(&mut self, rollout: &RolloutRecord) {
        use RolloutOutcome::{Incomplete, RolledBack, Succeeded, Unchanged};
        let Self(versions) = self;
        let back = rollout.origin.as_ref().is_some_and(|origin| origin.kind == RolloutKind::Rollback);
        let known = versions.iter().rposition(|version| *version == rollout.version);
        match (rollout.outcome, known) {
            // Each host went back to what it had before this one.
            (Some(RolledBack), Some(known)) if back => versions.truncate(known),
            (Some(Succeeded | Unchanged | Incomplete), Some(known)) if back => versions.truncate(known + 1),
            (Some(Succeeded | Unchanged | Incomplete), _) if versions.last() != Some(&rollout.version) => {
                versions.push(rollout.version.clone());
            }
            _ => {}
        }
    }

    /// The version that the fleet was verified on last.
    pub fn last(&self) -> Option<&Version> {
        self.0.last()
    }

    /// What the fleet was verified on before `version` came, newest first.
    pub fn before(&self, version: &Version) -> impl Iterator<Item = &Version> {
        let end = self.0.iter().rposition(|one| one == version).unwrap_or(self.0.len());
        self.0[..end].iter().rev().filter(move |one| *one != version)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::OperationId;
    use crate::rollout::Origin;

    fn version(number: u8) -> Version {
        format!("202610{number:02}T000000Z-0000000{number}").parse().unwrap()
    }

    /// Rollouts of versions: `1+` succeeded, `2-` was rolled back, `1<` the fleet went back to it, `2/` every host went
    /// back to what it had before, `3.` was interrupted.
    fn fleet(story: &str) -> FleetVersions {
        let record = |(number, word): (usize, &str)| {
            let (of, how) = word.split_at(1);
            let (kind, outcome) = match how {
                "+" => (RolloutKind::Rollout, RolloutOutcome::Succeeded),
                "-" => (RolloutKind::Rollout, RolloutOutcome::RolledBack),
                "<" => (RolloutKind::Rollback, RolloutOutcome::Succeeded),
                "/" => (RolloutKind::Rollback, RolloutOutcome::RolledBack),
                _ => (RolloutKind::Rollout, RolloutOutcome::Interrupted),
            };
            RolloutRecord {
                id: OperationId::new(number as u64, [0; 10]),
                certificate: "a.test".parse().unwrap(),
                version: version(of.parse().unwrap()),
                playbook: "a.yaml".to_owned(),
                started: Timestamp::UNIX_EPOCH,
                outcome: Some(outcome),
                origin: Some(Origin { kind, by: "ann".to_owned(), hosts: 2 }),
            }
        };
        let records: Vec<RolloutRecord> = story.split(' ').enumerate().map(record).collect();
        FleetVersions::of(&records)
    }

    fn before(story: &str, of: u8) -> Vec<Version> {
        fleet(story).before(&version(of)).cloned().collect()
    }

    #[test]
    fn a_version_that_was_rolled_back_is_no_way_back() {
        // The second was spoiled: no host ever kept it.
        assert_eq!(before("1+ 2- 3+", 3), [version(1)]);
        assert_eq!(before("1+ 2. 3+", 3), [version(1)]);
        assert_eq!(before("1+ 2-", 2), [version(1)]);
        assert_eq!(before("1+ 2+ 2+", 2), [version(1)]);
        assert_eq!(before("2-", 2), []);
    }

    #[test]
    fn the_way_back_leads_further_each_time() {
        assert_eq!(before("1+ 2+ 3+", 3), [version(2), version(1)]);
        assert_eq!(before("1+ 2+ 3+ 2<", 2), [version(1)]);
        assert_eq!(fleet("1+ 2+ 3+ 2<").last(), Some(&version(2)));
        // What was taken back is gone, and what comes then stands on what is left.
        assert_eq!(before("1+ 2+ 1< 3+", 3), [version(1)]);
        assert_eq!(before("1+ 2+ 2/", 2), [version(1)]);
        // An older version that was rolled out on purpose is followed by what was there.
        assert_eq!(before("1+ 2+ 1+", 1), [version(2)]);
    }
}
