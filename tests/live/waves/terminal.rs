//! The program on a terminal: what is drawn, how wide, and what Ctrl-C does.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use nix::pty::{Winsize, openpty};

use crate::hold::PATIENCE;
use crate::support::Fleet;

/// A program on a terminal of its own.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    pub(crate) fn start(fleet: &Fleet, columns: u16, term: Option<&str>, args: &[&str]) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let own = fleet.command(args);
        // As its controlling terminal, so that Ctrl-C comes as it does from a person.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(own.get_program()).args(own.get_args());
        command.current_dir(fleet.lab.directory()).env("HOME", fleet.lab.directory());
        match term {
            Some(term) => command.env("TERM", term),
            None => command.env_remove("TERM"),
        };
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
        let mut master = File::from(pty.master);
        let keyboard = master.try_clone().unwrap();
        let (tell, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails when the last process has let go of the terminal.
            while let Ok(size) = master.read(&mut bytes) {
                if size == 0 || tell.send(bytes[..size].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard, screen, seen: String::new() }
    }

    pub(crate) fn until(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.contains(words) {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.screen.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("`{words}` never came:\n{}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was written, and the exit code.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        while let Ok(bytes) = self.screen.recv() {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, self.seen)
    }
}

/// Every screen that a terminal of so many columns showed one after the other, as lines.
fn screens(seen: &str, columns: u16) -> Vec<Vec<String>> {
    let mut terminal = vt100::Parser::new(24.try_into().unwrap(), columns.try_into().unwrap(), 0);
    let mut all: Vec<Vec<String>> = Vec::new();
    // What is drawn together ends with the cursor shown again, or a line.
    for chunk in seen.split_inclusive(['\n', 'h']) {
        terminal.process(chunk.as_bytes());
        let screen: Vec<String> = terminal.screen().rows(0, columns).collect();
        if all.last() != Some(&screen) {
            all.push(screen);
        }
    }
    all
}

/// Lines of a screen that are a bar, or the end of one that was cut in two.
fn bars(screen: &[String]) -> Vec<&String> {
    let numbers = regex::Regex::new(r"(^|\d)/\d+ hosts(  |$)").unwrap();
    screen.iter().filter(|line| numbers.is_match(line.trim_end())).collect()
}

/// Two terminals beside each other, each with a fleet of its own.
#[test]
fn bars_fit_the_terminal() {
    std::thread::scope(|scope| {
        for columns in [80, 40] {
            scope.spawn(move || bars_fit(columns));
        }
    });
}

fn bars_fit(columns: u16) {
    let fleet = Fleet::with_soak(2, "12s");
    let args = ["rollout", "playbook.yaml", "--yes", "--force"];
    let mut terminal = Terminal::start(&fleet, columns, Some("xterm"), &args);
    terminal.until("soak: ");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    let screens = screens(&seen, columns);
    let drawn = screens.iter().filter(|screen| !bars(screen).is_empty()).count();
    assert!(drawn > 10, "{columns}: no bars in\n{seen}");
    for screen in &screens {
        // One for the rollout with its time, one for the wave: whole lines, and none that was left behind.
        let bars = bars(screen);
        assert!(bars.len() <= 2, "{columns}:\n{}", screen.join("\n"));
        for bar in bars {
            let whole = bar.starts_with("api.lab") || bar.starts_with("wave ") || bar.starts_with(' ');
            assert!(whole, "{columns}: `{bar}` in\n{}", screen.join("\n"));
        }
    }
    let last = screens.iter().rev().find(|screen| bars(screen).len() == 2);
    let last = last.unwrap_or_else(|| panic!("{columns}: no two bars in\n{seen}"));
    assert!(bars(last)[0].trim_end().ends_with('s'), "{columns}: no time in\n{}", last.join("\n"));
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_gets_lines() {
    let fleet = Fleet::start(1);
    for term in [Some("dumb"), None] {
        let args = ["rollout", "playbook.yaml", "--yes", "--force"];
        let (code, seen) = Terminal::start(&fleet, 80, term, &args).end();
        assert_eq!(code, Some(0), "{seen}");
        assert!(seen.contains("Z web01: switched by reload"), "{term:?}:\n{seen}");
        assert!(!seen.contains("\x1b[A"), "{term:?}: the cursor is moved:\n{seen}");
    }
}

#[test]
fn a_question_is_ended_by_ctrl_c_and_answered_by_yes() {
    let fleet = Fleet::start(1);
    let before = fleet.served(0);
    let ask = || {
        let mut terminal = Terminal::start(&fleet, 80, Some("xterm"), &["rollout", "playbook.yaml"]);
        terminal.until("Type `yes` to continue: ");
        terminal
    };
    let mut terminal = ask();
    terminal.types("\x03");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(130), "{seen}");
    assert!(seen.contains("interrupted at the question") && seen.contains("nothing was changed"), "{seen}");
    let mut terminal = ask();
    terminal.types("y\n");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(fleet.untouched() && fleet.served(0) == before);
    let mut terminal = ask();
    terminal.types("yes\n");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert_ne!(fleet.served(0), before);
}

/// Hosts that are back are no failures, and what is told of them is about the older certificate.
#[test]
fn a_rollback_speaks_as_one() {
    let fleet = Fleet::start(2);
    let first = fleet.roll_out(&[]).expect(0);
    fleet.roll_out(&["--force"]).expect(0);
    let version = first.last()["certificate"]["version"].as_str().unwrap().to_owned();
    let args = ["rollback", "playbook.yaml", "--yes", "--to", &version];
    let (code, seen) = Terminal::start(&fleet, 100, Some("xterm"), &args).end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(
        seen.contains(&format!("rolled back: 2 of 2 hosts are back on api.lab.test {version}")),
        "{seen}"
    );
    assert!(
        !screens(&seen, 100).iter().any(|screen| bars(screen).iter().any(|bar| bar.contains(" failed"))),
        "{seen}"
    );
    let history = fleet.run(&["history"]).expect(0).stdout;
    let rows: Vec<Vec<&str>> = history.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ROLLOUT", "STARTED", "KIND", "CERTIFICATE", "VERSION", "HOSTS", "BY", "OUTCOME"]);
    assert_eq!(rows[1][3..7], ["rollback", "api.lab.test", &version, "2"], "{history}");
    assert!(rows[1][7].contains('@') && rows[2][3] == "rollout", "{history}");

    // Each host to what it had before: that is an undoing, and the bar does not count it as failing.
    let fleet = Fleet::start(2);
    fleet.roll_out(&[]).expect(0);
    let (code, seen) =
        Terminal::start(&fleet, 100, Some("xterm"), &["rollback", "playbook.yaml", "--yes"]).end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("rolled back: 2 of 2 hosts are proven back on what they had before"), "{seen}");
    let failing = |screen: &Vec<String>| bars(screen).iter().any(|bar| bar.contains(" failed"));
    assert!(!screens(&seen, 100).iter().any(failing), "{seen}");
    let shown = fleet.run(&["show"]).expect(0).stdout;
    assert!(shown.starts_with("rollback "), "{shown}");
}
