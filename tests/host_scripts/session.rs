//! A shell that attends a host, asked for one task after the other, as a controller asks it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use certwave::install::{InstallSpec, RemoteShells, Task};

use crate::support::{Ended, Host, PATIENCE};

/// It has inspected its host, unasked.
pub(crate) struct Session {
    shell: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it said of its own accord.
    pub(crate) first: Ended,
}

impl Session {
    pub(crate) fn of(host: &Host) -> Self {
        let shells = RemoteShells::new("rollout 1", host.services.iter().map(|service| service.script));
        let attending = shells.attend(&host.spec, &host.services, Some(&InstallSpec::inspect()));
        let mut shell = host.login().spawn().unwrap();
        let stdin = shell.stdin.take();
        let (sender, lines) = channel();
        let out = BufReader::new(shell.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let first = Ended { status: 0, stdout: Vec::new(), stderr: Vec::new() };
        let mut session = Self { shell, stdin, lines, first };
        session.stdin.as_mut().unwrap().write_all(attending.first_line().as_bytes()).unwrap();
        for piece in &attending.input {
            session.stdin.as_mut().unwrap().write_all(piece.expose()).unwrap();
        }
        assert_eq!(session.line().as_deref(), Some("certwave:locked"));
        session.first = session.answer(b"");
        session
    }

    /// What it says to a task, and the task's exit status.
    pub(crate) fn ask(&mut self, task: &Task) -> Ended {
        let mut input = format!("{}\n", task.line).into_bytes();
        input.extend(task.payload.iter().flat_map(|payload| payload.expose()));
        self.answer(&input)
    }

    fn answer(&mut self, input: &[u8]) -> Ended {
        // It may give up before it has read all.
        let mut stdin = self.stdin.take().unwrap();
        let answer = std::thread::scope(|scope| {
            scope.spawn(|| stdin.write_all(input).unwrap());
            let mut said = String::new();
            loop {
                let line = self.line().unwrap_or_else(|| panic!("it ended in the middle of a task: {said}"));
                match line.strip_prefix(Task::ENDED) {
                    Some(status) => {
                        let status = status.parse().unwrap();
                        return Ended { status, stdout: said.into_bytes(), stderr: Vec::new() };
                    }
                    None => said += &(line + "\n"),
                }
            }
        });
        self.stdin = Some(stdin);
        answer
    }

    /// The next line; none after the last one.
    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                // Whoever still writes to it is let go.
                let _ = self.shell.kill();
                panic!("it hangs")
            }
        }
    }

    /// The controller has no more to ask.
    pub(crate) fn end(mut self) {
        drop(self.stdin.take());
        assert_eq!(self.line(), None);
        assert!(self.shell.wait().unwrap().success());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
