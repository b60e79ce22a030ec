//! Each step's script run twice in a row, from every state that it may find: the second time gives the same answer,
//! and changes nothing that is served.

use std::fs;
use std::time::Duration;

use certwave::install::{AlreadyKnown, DeadMan, FilePart, InstallSpec};
use certwave::model::Version;
use jiff::Timestamp;

use crate::support::{Host, Shell, each_shell, read, version};

#[derive(Debug, Clone, Copy)]
enum Start {
    /// Files that certwave did not make stand at the links.
    Foreign,
    /// Version 1 is live.
    Old,
    /// Version 1 is live and 2 is staged.
    Staged,
    /// Version 2 is live, and nobody confirmed it.
    Armed,
    /// Version 2 is live and confirmed.
    New,
}

impl Start {
    fn host(self, shell: Shell) -> Host {
        let mut host = Host::new(shell).with_command();
        let certificate = host.link("a.crt", FilePart::Fullchain);
        let key = host.link("a.key", FilePart::Privkey);
        if let Start::Foreign = self {
            fs::write(certificate, "one certificate\n").unwrap();
            fs::write(key, "one key\n").unwrap();
            host.stage(&version(2), "two").unwrap();
            return host;
        }
        host.install(&version(1), None, "one");
        match self {
            Start::Staged => drop(host.stage(&version(2), "two").unwrap()),
            Start::Armed | Start::New => {
                host.stage(&version(2), "two").unwrap();
                assert_eq!(Step::Activate.run(&host).0, 0);
                if let Start::New = self {
                    host.commit(Some(&version(1)));
                }
            }
            Start::Old | Start::Foreign => {}
        }
        host
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Inspect,
    Stage,
    /// With a dead-man switch that outlives the test.
    Activate,
    Commit,
    Rollback,
}

impl Step {
    fn run(self, host: &Host) -> (u32, String) {
        let (one, two) = (version(1), version(2));
        let ended = match self {
            Step::Inspect => host.ask(&InstallSpec::inspect()),
            Step::Stage => host.ask(&InstallSpec::stage(&two, &host.payload("two"), &host.own())),
            Step::Activate => {
                let after = Duration::from_secs(3600);
                let switch =
                    DeadMan { target: two.clone(), previous: one.clone(), not_after: Timestamp::MAX, after };
                host.ask(&InstallSpec::activate(&two, Some(&one), Some(&switch), &AlreadyKnown::default()))
            }
            Step::Commit => host.ask(&InstallSpec::commit(&two, Some(&one), &[], false)),
            Step::Rollback => host.ask(&InstallSpec::rollback(&one, true)),
        };
        let said = String::from_utf8(ended.stdout).unwrap();
        // What it is to look at changes with every look: the time, and the room that is left.
        let lines = said.lines().filter(|line| !line.contains(":clock ") && !line.contains(":free "));
        // The first time it is put there, the second time it is there.
        (ended.status, lines.collect::<Vec<_>>().join("\n").replace("result already", "result staged"))
    }
}

/// What whoever reads the host gets: the version, its pair, and whether somebody has to confirm it.
fn seen(host: &Host) -> (Option<Version>, [String; 2], bool, Vec<Version>) {
    let pair = ["a.crt", "a.key"].map(|name| read(&host.file(name)));
    let facts = host.inspect();
    (host.live_version(), pair, facts.armed.is_some(), facts.complete)
}

/// Ends the switch that may wait.
fn disarm(host: &Host) {
    let _ = fs::remove_file(host.directory().join(".dead-man.a.test"));
}

fn run_twice(shell: Shell) {
    use {Start::*, Step::*};
    let cases = [
        (Foreign, &[Inspect, Stage, Activate][..]),
        (Old, &[Inspect, Stage, Rollback]),
        (Staged, &[Inspect, Stage, Activate, Rollback]),
        (Armed, &[Inspect, Stage, Activate, Commit, Rollback]),
        (New, &[Inspect, Stage, Activate, Commit, Rollback]),
    ];
    for (start, steps) in cases {
        for step in steps {
            let context = format!("{shell:?}, {start:?}, {step:?}");
            let host = start.host(shell);
            let first = step.run(&host);
            let after = seen(&host);
            assert_eq!(first.0, 0, "{context}: {}", first.1);
            assert_eq!(step.run(&host), first, "{context}");
            assert_eq!(seen(&host), after, "{context}");
            disarm(&host);
        }
    }
}

each_shell! {
    the_second_time_is_like_the_first: run_twice;
}
