//! Stopped by a person, or by another rollout.

use nix::sys::signal::Signal;

use crate::support::Fleet;

#[test]
fn an_interrupted_rollout_says_how_the_fleet_is_left_and_can_go_on() {
    let fleet = Fleet::with_soak(2, "10m");
    let before = fleet.all_served();
    let run = fleet.roll_out_until("soak.started").interrupt().expect(130);
    assert_eq!(run.last()["outcome"], "interrupted");
    assert_eq!(run.hosts(), ["changed", "untouched"]);
    assert_eq!(fleet.served(1), before[1]);

    fleet.edit("soak: 10m", "soak: 0s");
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.hosts(), ["unchanged", "changed"]);
}

#[test]
fn a_terminal_that_goes_away_stops_it_like_ctrl_c() {
    let fleet = Fleet::with_soak(2, "10m");
    let rollout = fleet.roll_out_until("soak.started");
    rollout.signal(Signal::SIGHUP);
    rollout.end().expect(130);
}

#[test]
fn interrupted_in_the_middle_of_hosts_none_is_left_half_done() {
    let fleet = Fleet::start(4);
    fleet.edit("    batch: [1, 50%]", "    parallel: 2");
    let run = fleet.roll_out_until("wave.passed").interrupt().expect(130);
    assert_eq!(run.last()["outcome"], "interrupted");
    let new = run.leaf();
    let is_changed = |served: String| if served == new { "changed" } else { "untouched" };
    assert_eq!(run.hosts(), fleet.all_served().into_iter().map(is_changed).collect::<Vec<_>>());
}

#[test]
fn a_second_rollout_of_the_same_certificate_is_refused() {
    let fleet = Fleet::with_soak(1, "10m");
    let first = fleet.roll_out_until("soak.started");
    let second = fleet.roll_out(&[]).expect(1);
    assert!(second.stderr.contains("already running: rollout"), "{}", second.stderr);
    first.interrupt().expect(130);
}

#[test]
fn another_controller_on_the_same_host_is_refused_by_the_host() {
    let fleet = Fleet::start(1);
    let first = fleet.roll_out(&[]).expect(0);
    assert_eq!(first.hosts(), ["changed"]);
    // Somebody holds the host's lock.
    let lock = fleet.lab.hosts[0].root.join("etc/certwave/.lock");
    let mut holder = std::process::Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo held; cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut line)
        .unwrap();
    let run = fleet.roll_out(&["--force"]).expect(1);
    let error = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("another rollout holds the lock"), "{error}");
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

#[test]
fn a_canary_that_was_not_watched_to_its_end_is_watched_by_the_next_rollout() {
    let fleet = Fleet::with_soak(2, "3s");
    fleet.roll_out_until("soak.started").interrupt().expect(130);
    let planned = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).expect(0);
    assert!(planned.last()["seconds_at_least"].as_u64().unwrap() >= 3, "{}", planned.last());
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.hosts(), ["unchanged", "changed"]);
    let waves: Vec<String> = run
        .lines()
        .iter()
        .filter(|line| {
            ["wave.started", "soak.started", "wave.passed"].map(|one| line["event"] == one).contains(&true)
        })
        .map(|line| format!("{} {}", line["event"], line["wave"]).replace('"', ""))
        .collect();
    assert_eq!(waves[..3], ["wave.started canary", "soak.started canary", "wave.passed canary"]);
    // Once is enough.
    let again = fleet.roll_out(&[]).expect(0);
    assert_eq!(again.hosts(), ["unchanged"; 2]);
    assert!(again.lines().iter().all(|line| line["event"] != "soak.started"));
}
