//! Processes of a host, none of which holds up the tests for ever.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use certwave::install::Output;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Until a fact, on a slow machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a script left: how it ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: u32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ended {
    pub(crate) fn output(&self) -> Output<'_> {
        Output { status: self.status, stdout: &self.stdout, stderr: &self.stderr }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned() + &String::from_utf8_lossy(&self.stderr)
    }
}

/// Gives a process its input, and waits for its end.
pub(crate) fn finish(mut child: Child, input: &[u8]) -> Ended {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A script that ends early closes its input: no fault of the test.
    let written = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = within(Some(group), move || child.wait_with_output().unwrap());
    written.join().unwrap();
    let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap());
    Ended { status: status.try_into().unwrap(), stdout: output.stdout, stderr: output.stderr }
}

/// Does what ends soon, unless a script hangs: then its processes are killed, and the test fails.
pub(crate) fn within<T: Send + 'static>(group: Option<Pid>, wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = channel();
    std::thread::spawn(move || sender.send(wait()));
    match done.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(RecvTimeoutError::Disconnected) => panic!("see the panic before this one"),
        Err(RecvTimeoutError::Timeout) => {
            let _ = group.map(|group| killpg(group, Signal::SIGKILL));
            panic!("it hangs");
        }
    }
}
