//! Ends the servers of a process that was killed, and so could not end them itself.
//!
//! The reaper is a shell. It reads from a pipe which process groups there are. The kernel closes the pipe however its
//! owner ends, also by `kill -9`, and then the reaper ends every group that is left.
//!
//! A server adds its own group before it becomes the server, so the owner cannot die in between. Until then the server
//! holds the pipe open, and the reaper waits for what it has to say.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// `+ GROUP` adds a process group, and `- GROUP` removes it. They have three seconds to end before they are killed.
const SCRIPT: &str = r#"
groups=' '
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
  esac
done
signal() {
  sent=1
  for group in $groups; do kill -s "$1" -- "-$group" 2>/dev/null && sent=0; done
  return $sent
}
signal TERM
tries=0
while signal 0 && [ $tries -lt 30 ]; do
  tries=$((tries + 1))
  sleep 0.1 2>/dev/null || sleep 1
done
signal KILL
"#;

/// Adds its own group through the pipe that is its input, and becomes the server.
const SERVER: &str = r#"echo "+ $$" >&0 && exec "$@" </dev/null"#;

/// The pipe to the reaper of this process, once it has one.
static REAPER: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// A process group that ends with this process at the latest.
#[derive(Debug)]
pub(super) struct Reaped {
    group: u32,
}

impl Reaped {
    /// Starts a command in a process group of its own, and the reaper where there is none yet.
    pub(super) fn spawn(command: &Command, out: Stdio, err: Stdio) -> std::io::Result<(Child, Self)> {
        let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = match reaper.take() {
            Some(pipe) => pipe,
            None => start()?,
        };
        let pipe = reaper.insert(pipe).as_fd().try_clone_to_owned()?;
        drop(reaper);
        let mut server = Command::new("/bin/sh");
        server.args(["-c", SERVER, "sh"].map(OsStr::new)).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => server.env(name, value),
                None => server.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            server.current_dir(folder);
        }
        let child = server.process_group(0).stdin(pipe).stdout(out).stderr(err).spawn()?;
        let group = child.id();
        Ok((child, Self { group }))
    }
}

impl Drop for Reaped {
    /// Its owner has ended the group, or lets it live on.
    fn drop(&mut self) {
        let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = reaper.as_mut() {
            // One write, which no server's line can cut in two. A reaper that was killed ends nothing any more.
            let _ = pipe.write_all(format!("- {}\n", self.group).as_bytes());
        }
    }
}

fn start() -> std::io::Result<ChildStdin> {
    let mut command = Command::new("/bin/sh");
    // A group of its own: a Ctrl-C ends its owner, which it outlives.
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).process_group(0);
    // A reader of the owner's output sees its end when the owner ends, and not when the reaper does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn()?.stdin.take().ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())
}
