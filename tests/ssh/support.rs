//! A real sshd, keys, and a connection to it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use certwave::inventory::Login;
use certwave::lab::UserKey;
use certwave::ports::{Connection, Connector, RemoteCommand, RemoteError, RemoteOutput};
use certwave::ssh::{SshConnection, SshConnector, SshOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::processes::descendants;

/// Far more than anything here takes, for slow machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a fact.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`until`], while the runtime goes on.
pub(crate) async fn comes(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A key pair without a passphrase.
pub(crate) fn new_key(path: &Path, kind: &str) -> String {
    run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", "test key", "-f", path.to_str().unwrap()]);
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    public.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

pub(crate) fn current_user() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

/// The lab's sshd in a folder of its own, with a key that logs in.
pub(crate) struct Sshd {
    server: certwave::lab::Sshd,
    pub(crate) port: u16,
    pub(crate) host_key: String,
    // Goes last: the server logs into it.
    folder: TempDir,
}

impl Sshd {
    pub(crate) fn start(extra: &str) -> Self {
        Self::start_with(|_| extra.to_owned())
    }

    /// With configuration that may name files in the server's folder.
    pub(crate) fn start_with(extra: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::Builder::new().prefix("certwave-ssh-").tempdir().unwrap();
        let path = folder.path().join("user");
        let user = UserKey { public: new_key(&path, "ed25519"), path };
        let extra = format!("{}\nLogLevel VERBOSE", extra(folder.path()));
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let server = certwave::lab::Sshd::start(folder.path(), here, &user, &extra).unwrap();
        let host_key = server.known_hosts_line.split_once(' ').unwrap().1.to_owned();
        fs::write(folder.path().join("host_key.pub"), &host_key).unwrap();
        fs::write(folder.path().join("known_hosts"), format!("{}\n", server.known_hosts_line)).unwrap();
        Self { port: server.address.port(), server, host_key, folder }
    }

    pub(crate) fn id(&self) -> u32 {
        self.server.process.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("sshd.log")).unwrap_or_default()
    }

    pub(crate) fn login(&self) -> Login {
        Login {
            host: "web01".parse().unwrap(),
            address: "127.0.0.1".to_owned(),
            port: self.port,
            user: None,
            key_file: Some(self.path("user")),
            become_user: None,
            known_hosts: vec![self.path("known_hosts")],
        }
    }

    pub(crate) fn options(&self) -> SshOptions {
        SshOptions { home: Some(self.path("home")), agent_socket: None, ..SshOptions::default() }
    }

    pub(crate) async fn try_connect(&self) -> Result<SshConnection, RemoteError> {
        SshConnector::new(self.options()).connect(&self.login()).await
    }

    pub(crate) async fn connect(&self) -> SshConnection {
        self.try_connect().await.unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()))
    }

    /// What the server would do to its connections if it were stopped, killed or continued.
    pub(crate) fn signal_connections(&self, signal: Signal) {
        for pid in descendants(self.id()) {
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Stopped, it can start no more children while they are looked for.
        self.server.process.signal(Signal::SIGSTOP);
        self.signal_connections(Signal::SIGKILL);
        self.server.process.signal(Signal::SIGKILL);
    }
}

pub(crate) fn refusal<T>(result: Result<T, RemoteError>) -> RemoteError {
    match result {
        Err(error) => error,
        Ok(_) => panic!("it went well"),
    }
}

pub(crate) fn command(line: &str) -> RemoteCommand {
    RemoteCommand { line: line.to_owned(), script: String::new(), stdin: Vec::new(), deadline: PATIENCE }
}

pub(crate) async fn exec(connection: &SshConnection, line: &str) -> RemoteOutput {
    connection.exec(command(line)).await.unwrap()
}

pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}
