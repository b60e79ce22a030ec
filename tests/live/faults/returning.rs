//! Hosts that are not what they were: made anew, or switched off between their switch and their proof.

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
    std::fs::remove_dir_all(root.join("etc/certwave")).unwrap();
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
