//! Ends the servers of a process that was killed, and so could not end them itself.
//!
//! The reaper is a shell. It reads from a pipe which process groups there are. The kernel closes the pipe however its
//! owner ends, also by `kill -9`, and then the reaper ends every group that is left.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::lab::LabError;

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

/// The pipe to the reaper of this process, once it has one.
static REAPER: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// A process group that ends with this process at the latest.
#[derive(Debug)]
pub(super) struct Reaped {
    group: u32,
}

impl Reaped {
    /// Tells the reaper of a group, and starts the reaper where there is none yet.
    pub(super) fn new(group: u32) -> Result<Self, LabError> {
        let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
        if reaper.is_none() {
            *reaper = Some(start()?);
        }
        if let Some(pipe) = reaper.as_mut() {
            writeln!(pipe, "+ {group}").map_err(LabError::io("tell the reaper of a server"))?;
        }
        Ok(Self { group })
    }
}

impl Drop for Reaped {
    /// Its owner has ended the group, or lets it live on.
    fn drop(&mut self) {
        let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = reaper.as_mut() {
            // A reaper that was killed ends nothing any more.
            let _ = writeln!(pipe, "- {}", self.group);
        }
    }
}

fn start() -> Result<ChildStdin, LabError> {
    let mut command = Command::new("/bin/sh");
    // A group of its own: a Ctrl-C ends its owner, which it outlives.
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).process_group(0);
    // A reader of the owner's output sees its end when the owner ends, and not when the reaper does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(LabError::io("start a reaper"))?;
    child.stdin.take().ok_or_else(|| LabError::io("start a reaper")(std::io::ErrorKind::BrokenPipe.into()))
}
