//! Hosts that are not what they were: made anew, or switched off between their switch and their proof.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::processes::descendants;
use crate::running::Running;
use crate::support::Fleet;

#[test]
fn a_host_that_was_made_anew_gets_the_certificate_that_there_is_and_no_other_is_touched() {
    let mut fleet = Fleet::start(3);
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    let before = std::fs::read_to_string(fleet.lab.hosts[1].root.join("etc/ssl/api.crt")).unwrap();
    let key = std::fs::read_to_string(fleet.lab.hosts[1].root.join("etc/ssl/api.key")).unwrap();
    let first = fleet.roll_out(&[]).expect(0);
    let version = first.last()["certificate"]["version"].clone();

    // As its image has it: nothing of certwave's, and the certificate from before in its place.
    let root = fleet.lab.hosts[1].root.clone();
    // The host's shell of the last rollout may just be ending, and writes its lock file then.
    let gone = || std::fs::remove_dir_all(root.join("etc/certwave")).is_ok();
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(60), gone));
    std::fs::create_dir(root.join("etc/certwave")).unwrap();
    let leaf = before.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    for (name, text) in [("api.crt", before.as_str()), ("api-leaf.crt", leaf), ("api.key", &key)] {
        let path = root.join("etc/ssl").join(name);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(path, text).unwrap();
    }
    fleet.lab.hosts[1].nginx.start_again().unwrap();

    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.last()["certificate"]["version"], version);
    assert_eq!(run.hosts(), ["unchanged", "changed", "unchanged"]);
    let touched =
        run.lines().into_iter().filter(|line| line["step"] == "activate" && line["event"] == "step.started");
    assert!(touched.clone().count() == 1 && touched.clone().all(|line| line["host"] == "web02"));
}

#[test]
fn a_host_that_is_switched_off_before_its_proof_is_not_called_done() {
    let mut fleet = Fleet::start(2);
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    fleet.roll_out(&[]).expect(0);
    fleet.edit("  timeout: 20s", "  timeout: 3s\n  answers: 500");
    fleet.edit("install:\n", "install:\n  dead_man: 8s\n");
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "verify");
    // All its processes are gone at once.
    let host = &mut fleet.lab.hosts[0];
    host.nginx.process.stop();
    host.sshd.as_mut().unwrap().process.stop();
    assert_eq!(rollout.end().expect(4).hosts(), ["rollback_failed", "untouched"]);

    // It is there again: what could not be done is done.
    let host = &mut fleet.lab.hosts[0];
    host.sshd.as_mut().unwrap().start_again().unwrap();
    host.nginx.start_again().unwrap();
    let run = fleet.run(&["--output", "json", "resume"]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back", "untouched"]);
}

/// A fleet whose first host was switched and is gone; the time of its dead-man switch is far away.
fn switched_and_away() -> (Fleet, Running) {
    let mut fleet = Fleet::start(2);
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    fleet.roll_out(&[]).expect(0);
    fleet.edit("  timeout: 20s", "  timeout: 3s\n  answers: 500");
    fleet.edit("install:\n", "install:\n  dead_man: 10m\n");
    let mut rollout = Running::rollout(&fleet);
    rollout.until_step("web01", "verify");
    let host = &mut fleet.lab.hosts[0];
    let sessions = descendants(host.sshd.as_ref().unwrap().process.id());
    host.nginx.process.stop();
    host.sshd.as_mut().unwrap().process.stop();
    for session in sessions {
        // One may have come to its end by itself.
        let _ = kill(Pid::from_raw(i32::try_from(session).unwrap()), Signal::SIGKILL);
    }
    (fleet, rollout)
}

#[test]
fn a_switched_host_that_is_away_for_more_than_a_few_tries_goes_back_once_it_is_there() {
    let (mut fleet, mut rollout) = switched_and_away();
    for _ in 0..5 {
        let awaited = rollout.until_event("host.awaited");
        assert_eq!(awaited["host"], "web01");
        assert!(awaited["returns"].as_str().is_some() && awaited["until"].as_str().is_some(), "{awaited}");
    }
    let host = &mut fleet.lab.hosts[0];
    host.nginx.start_again().unwrap();
    host.sshd.as_mut().unwrap().start_again().unwrap();
    let run = rollout.end().expect(3);
    assert_eq!(run.hosts(), ["rolled_back", "untouched"]);
    assert_ne!(fleet.served(0), run.leaf());
}

#[test]
fn ctrl_c_does_not_wait_for_a_host_that_is_away_and_says_when_it_goes_back() {
    let (fleet, mut rollout) = switched_and_away();
    rollout.until_event("host.awaited");
    rollout.until_event("host.awaited");
    let begun = std::time::Instant::now();
    let run = rollout.interrupt().expect(4);
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(run.hosts(), ["rollback_failed", "untouched"]);
    assert!(
        run.error(0).contains("its dead-man switch puts the previous certificate back by"),
        "{}",
        run.error(0)
    );
    drop(fleet);
}
