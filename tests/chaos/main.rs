//! Random faults over random rollouts, for as long as one likes:
//!
//! ```sh
//! CHAOS_SECONDS=600 cargo test --test chaos -- --ignored --nocapture
//! ```
//!
//! It prints its seed; `CHAOS_SEED` repeats it. All the while handshakes run against every host, and each must bring a
//! whole, trusted certificate. After the faults of a round are over, `resume` has to bring the fleet to an end that
//! is true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.
#![allow(clippy::zombie_processes)] // A process that is waited for by its caller looks like one to Clippy.

#[allow(dead_code)]
#[path = "../live/running.rs"]
mod running;
#[allow(dead_code)]
#[path = "../live/support.rs"]
mod support;
#[path = "../live/watch.rs"]
mod watch;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use certwave::lab::{Sshd, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::Fleet;
use watch::Watch;

/// Until a fact, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A small generator (SplitMix64): the same seed gives the same choices.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// `kill -9`
    Killed,
    /// Ctrl-C, or SIGTERM, or a terminal that goes away.
    Stopped(Signal),
    /// A host's sshd dies with its connections.
    SshDies,
    /// A host's sshd falls silent, without a word to its clients.
    SshFreezes,
    /// A host's nginx gets a configuration that it refuses.
    Misconfigured,
    /// Somebody gives up.
    Aborted,
    /// Somebody wants a break.
    Paused,
}

const FAULTS: [Fault; 9] = [
    Fault::Killed,
    Fault::Killed,
    Fault::Stopped(Signal::SIGINT),
    Fault::Stopped(Signal::SIGTERM),
    Fault::SshDies,
    Fault::SshFreezes,
    Fault::Misconfigured,
    Fault::Aborted,
    Fault::Paused,
];

struct Chaos {
    fleet: Fleet,
    random: Random,
    playbook: String,
    rollouts: usize,
    faults: usize,
}

impl Chaos {
    fn hosts(&self) -> usize {
        self.fleet.lab.hosts.len() + self.fleet.lab.fronts.len()
    }

    fn sshd(&mut self, host: usize) -> &mut Sshd {
        let web = self.fleet.lab.hosts.len();
        match host.checked_sub(web) {
            None => self.fleet.lab.hosts[host].sshd.as_mut().unwrap(),
            Some(front) => &mut self.fleet.lab.fronts[front].sshd,
        }
    }

    /// A playbook that nobody wrote before.
    fn shuffle(&mut self) {
        let random = &mut self.random;
        let batch = random.pick(&["batch: [1, 50%]", "batch: 2", "parallel: 1", "parallel: 8"]);
        let failures = random.pick(&["0", "1", "50%"]);
        let on_failure = random.pick(&["rollback", "rollback-wave", "rollback-host", "halt"]);
        let soak = random.pick(&["0s", "1s"]);
        let text = self
            .playbook
            .replace("    batch: [1, 50%]", &format!("    {batch}\n    max_failures: {failures}"))
            .replace("    soak: 1s", &format!("    soak: {soak}"))
            .replace("  timeout: 20s", "  timeout: 8s")
            .replace("install:\n", "install:\n  dead_man: 20s\n");
        std::fs::write(self.fleet.lab.playbook(), format!("{text}\non_failure: {on_failure}\n")).unwrap();
    }

    fn start(&mut self) -> Child {
        let args: &[&str] = match self.random.below(6) {
            0 => &["rollback", "playbook.yaml", "--yes", "--output", "json"],
            1 => &["rollout", "playbook.yaml", "--yes", "--output", "json"],
            _ => &["rollout", "playbook.yaml", "--yes", "--force", "--output", "json"],
        };
        println!("  {}", args.join(" "));
        let mut command = self.fleet.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn inject(&mut self, fault: Fault, child: &mut Child) {
        let host = self.random.below(self.hosts());
        println!("  fault: {fault:?} (host {host})");
        self.faults += 1;
        match fault {
            Fault::Killed => child.kill().unwrap(),
            Fault::Stopped(signal) => {
                kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap()
            }
            Fault::SshDies => self.sshd(host).process.stop(),
            Fault::SshFreezes => self.sshd(host).process.signal(Signal::SIGSTOP),
            Fault::Misconfigured => {
                let web = host % self.fleet.lab.hosts.len();
                let config = self.fleet.lab.hosts[web].root.join("nginx/nginx.conf");
                let text = std::fs::read_to_string(&config).unwrap();
                std::fs::write(config, format!("{text}\nno_such_directive;\n")).unwrap();
            }
            // Where it has ended meanwhile, nothing is left to steer.
            Fault::Aborted => drop(self.fleet.run(&["abort"])),
            Fault::Paused => drop(self.fleet.run(&["pause"])),
        }
    }

    /// Everything works again.
    fn mend(&mut self) {
        for host in 0..self.hosts() {
            let sshd = self.sshd(host);
            sshd.process.signal(Signal::SIGCONT);
            if sshd.process.has_ended() {
                sshd.start_again().unwrap();
            }
        }
        for host in &self.fleet.lab.hosts {
            let config = host.root.join("nginx/nginx.conf");
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(config, text.replace("\nno_such_directive;\n", "")).unwrap();
        }
    }

    fn round(&mut self) {
        self.shuffle();
        let mut child = self.start();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.rollouts += 1;
        for _ in 0..=self.random.below(2) {
            let after = 1 + self.random.below(45);
            for _ in 0..after {
                if lines.next().is_none() {
                    break;
                }
            }
            let fault = FAULTS[self.random.below(FAULTS.len())];
            self.inject(fault, &mut child);
        }
        // A frozen host thaws, a dead one is started again, while the rollout still runs, or after it.
        if self.random.below(2) == 0 {
            self.mend();
        }
        lines.for_each(drop);
        child.wait().unwrap();
        self.mend();
        self.settle();
    }

    /// Goes on until it is over, and looks whether what is said is true.
    fn settle(&mut self) {
        for _ in 0..6 {
            let run = self.fleet.run(&["--output", "json", "resume"]);
            let told = || format!("{}\n{}\n{}", run.code, run.stdout, run.stderr);
            match run.code {
                // It failed, and no host was changed: an abort that waited while every host had the certificate before.
                1 => assert!(!changed_any(&run.last()), "{}", told()),
                code => assert!(matches!(code, 0 | 3 | 4 | 5 | 6 | 64), "{}", told()),
            }
            if run.code == 0 || run.code == 64 || run.code == 3 {
                break;
            }
        }
        let switches = || {
            let hosts = std::fs::read_dir(self.fleet.lab.directory().join("hosts")).unwrap();
            hosts.filter(|host| {
                host.as_ref().unwrap().path().join("etc/certwave/.dead-man.api.lab.test").exists()
            })
        };
        assert!(wait_for(PATIENCE, || switches().count() == 0), "a host is armed for ever");

        let shown = self.fleet.run(&["--output", "json", "history"]).expect(0);
        let last: Value = serde_json::from_str(shown.stdout.lines().next().unwrap()).unwrap();
        println!("  {} {}", last["rollout"], last["outcome"]);
        assert!(!last["outcome"].is_null(), "{last}");
        self.fleet.run(&["audit", "verify"]).expect(0);
        // What one more rollout has to do is little, and brings all hosts to the same certificate.
        let end = self.fleet.roll_out(&[]).expect(0);
        let wanted = end.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
        let fronts = (0..self.fleet.lab.fronts.len()).map(|front| self.fleet.front_served(front));
        let served: Vec<String> = self.fleet.all_served().into_iter().chain(fronts).collect();
        assert!(served.iter().all(|one| *one == wanted), "lost: {served:?}, not {wanted}");
    }
}

/// Whether a rollout changed any host, by its last event.
fn changed_any(finished: &Value) -> bool {
    assert_eq!(finished["event"], "rollout.finished", "{finished}");
    let hosts = finished["hosts"].as_array().unwrap();
    hosts
        .iter()
        .any(|host| matches!(host["outcome"].as_str(), Some("changed" | "rolled_back" | "rollback_failed")))
}

#[test]
#[ignore = "as long as CHAOS_SECONDS says"]
fn whatever_fails_no_host_is_lost() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 16 | 0x5eed);
    let until = Instant::now() + Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(300));
    println!("CHAOS_SEED={seed}");
    let fleet = Fleet::mixed(3, 1, 1);
    fleet.roll_out(&[]).expect(0);
    fleet.roll_out(&["--force"]).expect(0);
    let playbook = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    let watch = Watch::over(&fleet);
    let mut chaos = Chaos { fleet, random: Random(seed), playbook, rollouts: 0, faults: 0 };
    while Instant::now() < until {
        println!("round {}", chaos.rollouts + 1);
        chaos.round();
    }
    let seen = watch.end();
    println!(
        "{} rollouts, {} faults, {} hosts, {} certificates seen by clients, hosts lost: 0",
        chaos.rollouts,
        chaos.faults,
        chaos.hosts(),
        seen.len()
    );
}
