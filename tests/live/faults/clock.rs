//! A controller whose clock is set back, while it runs or between a rollout's death and its end; and one that hangs for longer
//! than it may.

use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::running::{ROLLOUT, Running};
use crate::support::{Fleet, Run};

/// The program's own clock, which the test sets.
struct FakeClock {
    offset: PathBuf,
    library: String,
}

impl FakeClock {
    fn ahead(fleet: &Fleet, offset: &str) -> Self {
        let output = Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let library = String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned();
        let clock = Self { offset: fleet.lab.directory().join("clock"), library };
        clock.set(offset);
        clock
    }

    fn set(&self, offset: &str) {
        // In one step: it is read at every look at the clock.
        let draft = self.offset.with_extension("new");
        std::fs::write(&draft, offset).unwrap();
        std::fs::rename(draft, &self.offset).unwrap();
    }

    fn rollout(&self, fleet: &Fleet) -> Running {
        self.start(fleet.command(&ROLLOUT))
    }

    fn start(&self, mut command: Command) -> Running {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.offset)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Running::start(command)
    }
}

fn resume(fleet: &Fleet) -> Run {
    Running::start(fleet.command(&["--output", "json", "resume"])).end()
}

/// What is said of a rollout by all that tell of it.
fn assert_told(fleet: &Fleet, run: &Run) {
    let last = run.last();
    let id = last["rollout"].as_str().unwrap();
    let seconds = |host: &Value| host["seconds"].as_f64().unwrap();
    let hosts = last["hosts"].as_array().unwrap();
    assert!(hosts.iter().all(|host| (0.0..3000.0).contains(&seconds(host))), "{last}");
    let shown = fleet.run(&["show", "last"]).expect(0).stdout;
    assert!(shown.contains(id), "{id} is not the last one: {shown}");
    let history = fleet.run(&["--output", "json", "history"]).expect(0).lines();
    assert_eq!(history[0]["rollout"], id, "{history:?}");
    fleet.run(&["audit", "verify"]).expect(0);
}

#[test]
fn set_back_between_its_death_and_its_end() {
    let fleet = Fleet::with_soak(2, "2s");
    let clock = FakeClock::ahead(&fleet, "+1h");
    let mut rollout = clock.rollout(&fleet);
    rollout.until_step("web01", "verify");
    rollout.kill();
    let run = resume(&fleet).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    assert_told(&fleet, &run);

    // An hour that comes for the second time: the rollout that began later is the last one all the same.
    let ahead = clock.rollout(&fleet).end().expect(0);
    let mut rollout = Running::rollout(&fleet);
    let id = rollout.until_step("web01", "verify")["rollout"].clone();
    rollout.kill();
    let run = resume(&fleet).expect(0);
    assert_eq!(run.last()["rollout"], id);
    assert_ne!(run.leaf(), ahead.leaf());
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    assert_told(&fleet, &run);
    // And its certificate the newest: nobody goes back to the other one by mistake.
    let again = fleet.roll_out(&[]).expect(0);
    assert_eq!((again.leaf(), again.hosts()), (run.leaf(), vec!["unchanged".to_owned(); 2]));
}

#[test]
fn set_back_while_hosts_are_waited_for_before_its_death() {
    let mut fleet = Fleet::with_soak(2, "1s");
    fleet.edit("    batch: [1, 50%]", "    max_failures: 1");
    let clock = FakeClock::ahead(&fleet, "+1h");
    let mut rollout = clock.rollout(&fleet);
    rollout.until_event("soak.started");
    fleet.lab.hosts[1].sshd.as_mut().unwrap().process.stop();
    rollout.until_event("retry.planned");
    rollout.kill();
    fleet.lab.hosts[1].sshd.as_mut().unwrap().start_again().unwrap();
    let run = resume(&fleet).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    assert_told(&fleet, &run);
}

#[test]
fn set_back_in_the_middle_of_its_soak_and_of_its_wait_for_hosts() {
    let mut fleet = Fleet::with_soak(2, "3s");
    fleet.edit("    batch: [1, 50%]", "    max_failures: 1");
    let clock = FakeClock::ahead(&fleet, "+2h");
    let mut rollout = clock.rollout(&fleet);
    rollout.until_event("soak.started");
    clock.set("+1h");
    // Whoever else wants the certificate is refused, by either clock.
    fleet.roll_out(&[]).expect(1);
    fleet.lab.hosts[1].sshd.as_mut().unwrap().process.stop();
    rollout.until_event("retry.planned");
    clock.set("+0");
    fleet.lab.hosts[1].sshd.as_mut().unwrap().start_again().unwrap();
    let run = rollout.end().expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    assert_told(&fleet, &run);
}

#[test]
fn a_controller_that_hangs_is_taken_over_when_its_time_is_up_and_does_nothing_more_when_it_wakes() {
    let fleet = Fleet::with_soak(2, "1s");
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  answers: 100");
    let mut hung = Running::rollout(&fleet);
    let id = hung.until_step("web01", "verify")["rollout"].clone();
    hung.signal(Signal::SIGSTOP);
    // Not before; a minute and more later for who takes it over.
    let early = fleet.resume().expect(1);
    assert!(early.stderr.contains("already running"), "{}", early.stderr);
    let resume = fleet.command(&["--output", "json", "resume"]);
    let run = FakeClock::ahead(&fleet, "+2m").start(resume).end().expect(0);
    assert_eq!((&run.last()["rollout"], run.hosts()), (&id, vec!["changed".to_owned(); 2]));

    hung.signal(Signal::SIGCONT);
    let late = hung.end().expect(4);
    assert!(late.stderr.contains("it was taken over by rollout"), "{}", late.stderr);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf()]);
    fleet.run(&["audit", "verify"]).expect(0);
    assert_eq!(fleet.roll_out(&[]).expect(0).hosts(), ["unchanged"; 2]);
}
