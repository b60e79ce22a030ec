//! Holds that a rollout's bookkeeping grows with the number of its hosts and no faster. Instructions are counted, by
//! valgrind: neither the machine nor what else runs on it changes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.

#[path = "bench/common/machine.rs"]
mod machine;

use std::process::Command;

use certwave::rollout::RolloutOutcome;

/// Tells the process that is counted how many hosts its rollout has.
const HOSTS: &str = "GROWTH_HOSTS";
/// Instructions a host at most: about twice what a debug build takes.
const MOST: u64 = 350_000;

fn drive(fails: bool) -> RolloutOutcome {
    let hosts = std::env::var(HOSTS).map_or(100, |hosts| hosts.parse().unwrap());
    machine::drive(&machine::schedule(hosts), fails)
}

#[test]
fn a_rollout_succeeds() {
    assert_eq!(drive(false), RolloutOutcome::Succeeded);
}

#[test]
fn a_rollout_goes_back() {
    assert_eq!(drive(true), RolloutOutcome::RolledBack);
}

/// What one of the tests above takes for so many hosts.
fn instructions(test: &str, hosts: usize) -> u64 {
    // A file of its own, that nobody else writes to.
    let folder = tempfile::tempdir().unwrap();
    let profile = format!("--callgrind-out-file={}", folder.path().join("profile").display());
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &profile])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(HOSTS, hosts.to_string())
        .output()
        .expect("valgrind counts the instructions here: `sh tests/setup.sh tests` installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test} with {hosts} hosts under valgrind:\n{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("valgrind counted nothing:\n{said}"))
}

fn ten_times_the_hosts_are_ten_times_the_instructions(test: &str) {
    // What the process takes to start and to end is no host's.
    let start = instructions(test, 2);
    let each = |hosts: usize| (instructions(test, hosts) - start) / (hosts as u64 - 2);
    let (few, many) = (each(200), each(2_000));
    println!("{test}: {few} instructions a host of 200, {many} a host of 2000");
    assert!(many <= few + few / 4, "{test}: {few} instructions a host of 200, {many} a host of 2000");
    assert!(many <= MOST, "{test}: {many} instructions a host of 2000");
}

#[test]
fn forward_a_rollout_grows_as_its_hosts() {
    ten_times_the_hosts_are_ten_times_the_instructions("a_rollout_succeeds");
}

#[test]
fn back_it_grows_as_its_hosts() {
    ten_times_the_hosts_are_ten_times_the_instructions("a_rollout_goes_back");
}
