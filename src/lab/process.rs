//! Child processes that end with their owner, and ports for them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::lab::LabError;
use crate::lab::reaper::Reaped;

/// How long a server may take to come up on a loaded machine.
pub(super) const READY: Duration = Duration::from_secs(60);
/// How long a server may take to end before it is killed.
const END: Duration = Duration::from_secs(3);

/// A server in a process group of its own. It is ended and waited for when dropped, also by a panic. Where its owner is
/// killed, the reaper ends it.
#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    reaped: Option<Reaped>,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a program in the foreground; what it says goes to a log. Of the command, the program, its arguments, environment
    /// and folder count, and nothing else: a server that is to run as another user is started by `setpriv`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: impl Into<String>, command: &Command, log: &Path) -> Result<Self, LabError> {
        let name = name.into();
        let out = File::options().create(true).append(true).open(log);
        let out = out.map_err(LabError::io(format!("open `{}`", log.display())))?;
        let err = out.try_clone().map_err(LabError::io(format!("open `{}`", log.display())))?;
        let started = Reaped::spawn(command, out.into(), err.into());
        let (child, reaped) = started.map_err(LabError::io(format!("start {name}")))?;
        Ok(Self { child: Some(child), reaped: Some(reaped), name, log: log.to_owned() })
    }

    /// Its process id; 0 once it ended.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => true,
        }
    }

    /// Waits until it takes connections there.
    ///
    /// # Errors
    /// When it ends before, or takes too long.
    pub fn wait_for_port(&mut self, address: SocketAddr) -> Result<(), LabError> {
        let up = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
        let ready = wait_for(READY, || up() || self.has_ended());
        if ready && !self.has_ended() {
            return Ok(());
        }
        Err(LabError::NotReady { server: self.name.clone(), reason: self.last_words() })
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.id())
            && id > 0
        {
            // A group that is gone needs no signal.
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }

    /// Ends it, and waits for it.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let ended = wait_for(END, || self.has_ended());
        // Also for what it left in its group.
        self.signal(Signal::SIGKILL);
        if let Some(mut child) = self.child.take()
            && !ended
        {
            let _ = child.wait();
        }
        self.reaped = None;
    }

    /// Lets it live on after its owner.
    pub(super) fn detach(mut self) -> u32 {
        self.child.take().map_or(0, |child| child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks again and again, until it is so or the time is up.
pub fn wait_for(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Those that were given away: a server of which one is meant to be may not listen yet.
static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());

/// Below the ports that a system gives to connections that go out (Linux from 32768, `ip_local_port_range` in ip(7)): one
/// of these cannot take a server's port before the server does.
const SERVERS: Range<u16> = 10_000..32_768;
/// How many ports are tried: hardly any is taken.
const TRIES: u32 = 1_000;

/// A port that is free on an address now, and was not asked for by this process before. Another process may still take
/// it first: try again then.
///
/// # Errors
/// When the address is not one of this machine's, or hardly a port is free there.
pub fn free_port(address: IpAddr) -> Result<u16, LabError> {
    let wrong = |error: std::io::Error| LabError::io(format!("listen on {address}"))(error);
    let mut random = [0; 2];
    for _ in 0..TRIES {
        getrandom::fill(&mut random).map_err(|error| wrong(std::io::Error::other(error.to_string())))?;
        let port = SERVERS.start + u16::from_ne_bytes(random) % (SERVERS.end - SERVERS.start);
        match TcpListener::bind((address, port)) {
            Ok(_) if take_port((address, port).into()) => return Ok(port),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    Err(wrong(ErrorKind::AddrInUse.into()))
}

/// Takes a port for a server that is yet to come; false where it was taken before.
pub(super) fn take_port(at: SocketAddr) -> bool {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(at)
}

/// A program by its name, where servers are.
pub(super) fn program(name: &'static str) -> Result<PathBuf, LabError> {
    program_or(name, Path::new(""))
}

/// A program by its name, else in a place of its own.
pub(super) fn program_or(name: &'static str, place: &Path) -> Result<PathBuf, LabError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .chain([place.to_owned()])
        .find(|file| file.is_file())
        .ok_or(LabError::Missing { program: name })
}

/// Writes a file.
pub(super) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), LabError> {
    std::fs::write(path, text).map_err(LabError::io(format!("write `{}`", path.display())))
}

/// Writes a file that only its owner may read, as keys must be.
pub(super) fn write_private(path: &Path, text: impl AsRef<[u8]>) -> Result<(), LabError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_ref()))
        .map_err(LabError::io(format!("write `{}`", path.display())))
}

/// Makes a folder and those above it.
pub(super) fn folder(path: &Path) -> Result<(), LabError> {
    std::fs::create_dir_all(path).map_err(LabError::io(format!("make `{}`", path.display())))
}
