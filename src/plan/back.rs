//! The way back: the same hosts, newest wave first, to an earlier certificate.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::plan::{Direction, Plan, Schedule, Undo, WaveSchedule};
use crate::playbook::OnFailure;

impl Plan {
    /// The plan in the other direction. Each wave is one batch and is not watched afterwards: what it goes back to was
    /// proven before. A host that fails does not stop the others.
    pub fn back(self) -> Plan {
        let mut hosts = Vec::with_capacity(self.hosts.len());
        let mut names = Vec::with_capacity(self.hosts.len());
        let mut waves = Vec::with_capacity(self.schedule.waves.len());
        for wave in self.schedule.waves.iter().rev() {
            let first = names.len();
            names.extend_from_slice(&self.schedule.hosts[wave.hosts()]);
            hosts.extend_from_slice(&self.hosts[wave.hosts()]);
            waves.push(WaveSchedule {
                name: wave.name.clone(),
                batches: vec![(first..names.len()).into()],
                parallel: wave.parallel,
                max_failures: wave.hosts().len(),
                soak: Duration::ZERO,
                approval: false,
                // Every host is tried, however long it takes.
                progress_deadline: None,
                deadline: None,
            });
        }
        let schedule = Schedule {
            hosts: names.into(),
            waves,
            on_failure: OnFailure::Halt,
            direction: Direction::Back,
            windows: None,
            deadline: None,
            dead_man: self.schedule.dead_man,
            unsoaked: BTreeSet::new(),
        };
        Plan { schedule, hosts: hosts.into(), ..self }
    }

    /// The plan in the other direction, where each host goes back to what it had before: certwave may not have it.
    pub fn undo(self, undo: Undo) -> Plan {
        let mut plan = self.back();
        plan.schedule.direction = Direction::Undo(undo);
        plan
    }
}
