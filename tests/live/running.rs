//! A rollout that runs beside the test: watched by its events, and ended with it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Fleet, Run};

pub(crate) const ROLLOUT: [&str; 6] = ["rollout", "playbook.yaml", "--yes", "--force", "--output", "json"];

/// No rollout of a test says nothing for so long, on a slow machine either: it hangs.
const SILENCE: Duration = Duration::from_secs(180);

/// The program under way. It is killed when dropped, also by a panic.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    stdout: String,
    /// A file: nobody has to read it for the program to go on.
    stderr: File,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let stderr = tempfile::tempfile().unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(stderr.try_clone().unwrap()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // Ends with the program's output.
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, stdout: String::new(), stderr }
    }

    /// A new certificate on its way to the fleet.
    pub(crate) fn rollout(fleet: &Fleet) -> Self {
        Self::start(fleet.command(&ROLLOUT))
    }

    /// The next line; none at the end.
    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => {
                self.stdout.push_str(&line);
                self.stdout.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it hangs after\n{}\n{}", self.stdout, self.said()),
        }
    }

    /// Waits for a line with this in it.
    pub(crate) fn until_line(&mut self, part: &str) -> String {
        while let Some(line) = self.line() {
            if line.contains(part) {
                return line;
            }
        }
        panic!("it ended before `{part}`\n{}\n{}", self.stdout, self.said());
    }

    /// Waits for an event.
    pub(crate) fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        while let Some(line) = self.line() {
            let event: Value = serde_json::from_str(&line).unwrap();
            if is_it(&event) {
                return event;
            }
        }
        panic!("it ended before\n{}\n{}", self.stdout, self.said());
    }

    pub(crate) fn until_event(&mut self, name: &str) -> Value {
        self.until(|event| event["event"] == name)
    }

    /// Waits until a step of a host starts.
    pub(crate) fn until_step(&mut self, host: &str, step: &str) -> Value {
        self.until(|event| event["event"] == "step.started" && event["host"] == host && event["step"] == step)
    }

    /// What it has said on its standard output.
    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C, and its end.
    pub(crate) fn interrupt(self) -> Run {
        self.signal(Signal::SIGINT);
        self.end()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// `kill -9`
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its end, with all that it said.
    pub(crate) fn end(mut self) -> Run {
        while self.line().is_some() {}
        let status = self.child.wait().unwrap();
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), self.said());
        Run::new(Output { status, stdout: stdout.into_bytes(), stderr: stderr.into_bytes() })
    }

    fn said(&self) -> String {
        let (mut stderr, mut text) = (&self.stderr, String::new());
        stderr.rewind().unwrap();
        stderr.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is waited for all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
