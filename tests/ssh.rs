//! The SSH adapter against real sshd.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing, and so do its helpers")]

#[path = "common/require.rs"]
mod require;

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certwave::inventory::Login;
use certwave::model::Secret;
use certwave::ports::{
    Certainty, Connection, Connector, HeldCommand as _, RemoteCommand, RemoteError, RemoteErrorKind,
    RemoteOutput,
};
use certwave::ssh::{SshConnection, SshConnector, SshOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Far more than anything here takes, for slow machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a fact.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`until`], while the runtime goes on.
async fn comes(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A key pair without a passphrase.
fn new_key(path: &Path, kind: &str) -> String {
    run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", "test key", "-f", path.to_str().unwrap()]);
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    public.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn current_user() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

/// The processes below one, from /proc.
fn descendants(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let parent: u32 = rest.split_whitespace().nth(1).unwrap().parse().unwrap();
        parents.push((pid, parent));
    }
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// A real sshd that lets the current user in, with files of its own.
struct Sshd {
    folder: Arc<TempDir>,
    child: Child,
    port: u16,
    host_key: String,
}

impl Sshd {
    fn start(extra: &str) -> Self {
        Self::start_with(|_| extra.to_owned())
    }

    /// With configuration that may name files in the server's folder.
    fn start_with(extra: impl Fn(&Path) -> String) -> Self {
        let folder = tempfile::Builder::new().prefix("certwave-ssh-").tempdir().unwrap();
        let folder = Arc::new(folder);
        let path = folder.path();
        if nix::unistd::getuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let host_key = new_key(&path.join("host"), "ed25519");
        let user_key = new_key(&path.join("user"), "ed25519");
        fs::write(path.join("authorized"), user_key).unwrap();
        let extra = extra(path);
        // Without PAM, sshd as root refuses accounts without a password, as root's is in a container.
        let pam = if nix::unistd::getuid().is_root() { "yes" } else { "no" };
        // Many logins fail here on purpose, all of one address.
        let lenient = certwave::lab::knows_penalties() && !extra.contains("PerSourcePenalties");
        let penalties = if lenient { "PerSourcePenalties no\n" } else { "" };
        loop {
            let port = certwave::lab::free_port("127.0.0.1".parse().unwrap()).unwrap();
            let own = path.display();
            // sshd takes the first value of a keyword: what is extra comes first.
            let config = format!(
                "{extra}\n{penalties}ListenAddress 127.0.0.1:{port}\nHostKey {own}/host\nPidFile none\nUsePAM {pam}\n\
                 StrictModes no\nAuthorizedKeysFile {own}/authorized\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nLogLevel VERBOSE\nPermitRootLogin yes\n"
            );
            fs::write(path.join("sshd_config"), config).unwrap();
            let log = fs::File::create(path.join("log")).unwrap();
            let mut command = Command::new("/usr/sbin/sshd");
            command.args(["-D", "-e", "-f"]).arg(path.join("sshd_config")).stdin(Stdio::null()).stderr(log);
            let child = command.spawn().unwrap();
            let mut server = Self { folder: folder.clone(), child, port, host_key: host_key.clone() };
            until("sshd listens or ends", || {
                server.log().contains("Server listening") || server.child.try_wait().unwrap().is_some()
            });
            if server.child.try_wait().unwrap().is_none() {
                fs::write(server.path("known_hosts"), format!("[127.0.0.1]:{port} {host_key}\n")).unwrap();
                return server;
            }
            // Somebody else was quicker to take the port.
            assert!(server.log().contains("Address already in use"), "{}", server.log());
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn login(&self) -> Login {
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

    fn options(&self) -> SshOptions {
        SshOptions { home: Some(self.path("home")), agent_socket: None, ..SshOptions::default() }
    }

    async fn try_connect(&self) -> Result<SshConnection, RemoteError> {
        SshConnector::new(self.options()).connect(&self.login()).await
    }

    async fn connect(&self) -> SshConnection {
        self.try_connect().await.unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()))
    }

    /// What the server would do to its connections if it were stopped, killed or continued.
    fn signal_connections(&self, signal: Signal) {
        for pid in descendants(self.child.id()) {
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Stopped, it can start no more children while they are looked for.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGSTOP);
        self.signal_connections(Signal::SIGKILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refusal<T>(result: Result<T, RemoteError>) -> RemoteError {
    match result {
        Err(error) => error,
        Ok(_) => panic!("it went well"),
    }
}

fn command(line: &str) -> RemoteCommand {
    RemoteCommand { line: line.to_owned(), stdin: Vec::new(), deadline: PATIENCE }
}

async fn exec(connection: &SshConnection, line: &str) -> RemoteOutput {
    connection.exec(command(line)).await.unwrap()
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

// Commands.

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_input_and_gives_output_errors_and_status() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let stdin = pattern(5_000_000);
    fs::write(server.path("expected"), &stdin).unwrap();
    let line = format!("cmp - {} && echo out && echo err >&2; exit 7", server.path("expected").display());
    let output =
        connection.exec(RemoteCommand { stdin: vec![Secret::new(stdin)], ..command(&line) }).await.unwrap();
    assert_eq!(output, RemoteOutput { status: 7, stdout: b"out\n".to_vec(), stderr: b"err\n".to_vec() });
    // Without input, standard input has ended.
    assert_eq!(exec(&connection, "cat; echo end").await.stdout, b"end\n");
    connection.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_read_its_input_still_ends() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let stdin = vec![Secret::new(pattern(8_000_000))];
    let output = connection.exec(RemoteCommand { stdin, ..command("true") }).await.unwrap();
    assert_eq!(output.status, 0);
    assert_eq!(exec(&connection, "echo next").await.stdout, b"next\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_limited_and_drained() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let output = exec(&connection, "head -c 1048576 /dev/zero").await;
    assert_eq!(output.stdout.len(), 1 << 20);
    let error = connection.exec(command("yes")).await.unwrap_err();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::MaybeSent));
    assert_eq!(error.reason, "run the command: it printed more than 1048576 bytes");
    let output = exec(&connection, "head -c 3000000 /dev/zero >&2; echo done").await;
    assert_eq!((output.stderr.len(), output.stdout.as_slice()), (1 << 20, &b"done\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_a_status_as_in_a_shell() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    assert_eq!(exec(&connection, "kill -TERM $$").await.status, 143);
    assert_eq!(exec(&connection, "kill -KILL $$").await.status, 137);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_leaves_the_command_in_doubt_and_the_connection_usable() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let slow = RemoteCommand { deadline: Duration::from_secs(3), ..command("sleep 20") };
    let error = connection.exec(slow).await.unwrap_err();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Timeout, Certainty::MaybeSent));
    assert_eq!(error.reason, "run the command: it was not done within 3s, and may still run");
    assert_eq!(exec(&connection, "echo next").await.stdout, b"next\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_at_once_take_turns() {
    for limit in ["", "MaxSessions 2"] {
        let server = Sshd::start(limit);
        let connection = server.connect().await;
        let all = (0..30).map(|i| {
            let connection = &connection;
            async move { exec(connection, &format!("sleep 0.05; echo {i}")).await.stdout }
        });
        let outputs = futures_util::future::join_all(all).await;
        for (i, output) in outputs.into_iter().enumerate() {
            assert_eq!(String::from_utf8(output).unwrap(), format!("{i}\n"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_sessions_is_told_apart() {
    let server = Sshd::start("MaxSessions 0");
    let error = server.connect().await.exec(command("true")).await.unwrap_err();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::NotSent));
    assert!(error.reason.contains("MaxSessions"), "{}", error.reason);
}

// The connection's end.

/// A command that runs, and has said so in a file.
async fn start(
    server: &Sshd,
    connection: SshConnection,
    stdin: Option<Vec<u8>>,
) -> tokio::task::JoinHandle<(SshConnection, Result<RemoteOutput, RemoteError>)> {
    let started = server.path("started");
    let _ = fs::remove_file(&started);
    let line = format!("touch {}; sleep 20", started.display());
    let task = tokio::spawn(async move {
        let result = connection
            .exec(RemoteCommand { stdin: stdin.map(Secret::new).into_iter().collect(), ..command(&line) })
            .await;
        (connection, result)
    });
    comes("the command started", || started.exists()).await;
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_leaves_the_command_in_doubt_at_once() {
    let server = Sshd::start("");
    for stdin in [None, Some(pattern(8_000_000))] {
        let task = start(&server, server.connect().await, stdin).await;
        let killed = Instant::now();
        server.signal_connections(Signal::SIGKILL);
        let (connection, result) = task.await.unwrap();
        let error = result.unwrap_err();
        assert!(killed.elapsed() < PATIENCE, "{:?}", killed.elapsed());
        assert_eq!(
            (error.kind, error.certainty),
            (RemoteErrorKind::Unreachable, Certainty::MaybeSent),
            "{error:?}"
        );
        let error = connection.exec(command("true")).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (RemoteErrorKind::Unreachable, Certainty::NotSent),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_given_up_at_the_deadline() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    exec(&connection, "true").await;
    server.signal_connections(Signal::SIGSTOP);
    for stdin in [vec![], vec![Secret::new(pattern(8_000_000))]] {
        let begun = Instant::now();
        let frozen = RemoteCommand { stdin, deadline: Duration::from_millis(400), ..command("true") };
        let error = connection.exec(frozen).await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Timeout);
        assert!(begun.elapsed() < PATIENCE);
    }
    let begun = Instant::now();
    connection.close().await;
    assert!(begun.elapsed() < PATIENCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_noticed_by_keepalives() {
    let server = Sshd::start("");
    let options = SshOptions { keepalive: Duration::from_millis(100), ..server.options() };
    let connection = SshConnector::new(options).connect(&server.login()).await.unwrap();
    // An idle connection outlives many keepalives.
    assert_eq!(exec(&connection, "sleep 2; echo alive").await.stdout, b"alive\n");
    let task = start(&server, connection, None).await;
    server.signal_connections(Signal::SIGSTOP);
    let error = task.await.unwrap().1.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (RemoteErrorKind::Unreachable, Certainty::MaybeSent),
        "{error:?}"
    );
    assert!(error.reason.ends_with("the host fell silent"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_ends() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    assert!(!descendants(server.child.id()).is_empty());
    drop(connection);
    comes("sshd's processes ended", || descendants(server.child.id()).is_empty()).await;
    server.connect().await.close().await;
    comes("sshd's processes ended", || descendants(server.child.id()).is_empty()).await;
}

// Held commands.

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_lasts_until_it_is_dropped() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let over = server.path("over");
    let line = format!("echo LOCKED; echo more; cat > /dev/null; touch {}", over.display());
    let (first, held) = connection.hold(command(&line)).await.unwrap().unwrap();
    assert_eq!(first, "LOCKED");
    // Other commands run beside it.
    exec(&connection, "sleep 0.2").await;
    assert!(!over.exists());
    drop(held);
    comes("the held command's input ended", || over.exists()).await;
    // One that prints no line gives its output.
    let output = connection.hold(command("printf busy; exit 75")).await.unwrap().unwrap_err();
    assert_eq!((output.status, output.stdout.as_slice()), (75, &b"busy"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_answers_line_by_line() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let line = "echo READY; while IFS= read -r line; do eval \"$line\"; echo \"ended $?\"; done";
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let ask = async |line: &str, patience| held.ask(line, None, "ended ", patience).await;
    let said = ask("echo one; (exit 75)", PATIENCE).await.unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((said.status, words(&said.stdout)), (75, "one\n".to_owned()));
    // Long answers come whole, and nothing of one is taken for the next.
    let said = ask("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i + 1)); done", PATIENCE).await.unwrap();
    assert!(words(&said.stdout).ends_with("\n19998\n19999\n"));
    assert_eq!(words(&ask("echo three", PATIENCE).await.unwrap().stdout), "three\n");
    // What goes with a line follows it, however long it is: more than a window, and more than a pipe holds.
    let payload = Secret::new(b"0123456789abcde\n".repeat(250_000));
    let line_of = format!("head -c {} | cksum", payload.size());
    let said = held.ask(&line_of, Some(payload), "ended ", PATIENCE).await.unwrap();
    assert!(words(&said.stdout).ends_with(" 4000000\n"), "{}", words(&said.stdout));
    assert_eq!(words(&ask("echo and on", PATIENCE).await.unwrap().stdout), "and on\n");
    // Nor does it have to be read.
    let unread =
        held.ask("echo enough; exit 3", Some(Secret::new(vec![b'x'; 5_000_000])), "ended ", PATIENCE);
    assert_eq!(refusal(unread.await).certainty, Certainty::MaybeSent);
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let ask = async |line: &str, patience| held.ask(line, None, "ended ", patience).await;
    // What it says unasked is the answer to nobody's question, unless that is what is waited for.
    let ahead = "echo READY; echo one; (exit 4); echo \"ended $?\"; cat";
    let (_, held) = connection.hold(command(ahead)).await.unwrap().unwrap();
    let said = held.answer("ended ", PATIENCE).await.unwrap();
    assert_eq!((said.status, words(&said.stdout)), (4, "one\n".to_owned()));
    // One that ends in the middle of a task may have done a part of it; then nothing is sent any more.
    let error = refusal(ask("exit 1", PATIENCE).await);
    assert_eq!(error.certainty, Certainty::MaybeSent, "{error:?}");
    let error = refusal(ask("echo four", PATIENCE).await);
    assert_eq!(error.certainty, Certainty::NotSent, "{error:?}");
    assert!(error.reason.contains("has ended"), "{error:?}");
    // What takes too long may still run.
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let error = refusal(held.ask("sleep 600", None, "ended ", Duration::from_millis(100)).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Timeout, Certainty::MaybeSent));
    drop(held);
    // The connection serves others, and its end is told to whoever waits.
    assert_eq!(exec(&connection, "echo five").await.stdout, b"five\n");
    let (_, held) = connection.hold(command(line)).await.unwrap().unwrap();
    let begun = server.path("begun");
    let task = format!(": >{}; sleep 600", begun.display());
    let waiting = tokio::spawn(async move { held.ask(&task, None, "ended ", PATIENCE).await });
    comes("the task began", || begun.exists()).await;
    drop(connection);
    assert_eq!(refusal(waiting.await.unwrap()).certainty, Certainty::MaybeSent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_ends_with_its_connection() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let over = server.path("over");
    let line = format!("echo LOCKED; cat > /dev/null; touch {}", over.display());
    let (_, held) = connection.hold(command(&line)).await.unwrap().unwrap();
    drop(connection);
    comes("the held command's input ended", || over.exists()).await;
    drop(held);
}

// Logging in.

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_says_what_was_tried() {
    let server = Sshd::start("");
    new_key(&server.path("stranger"), "ed25519");
    let login = Login { key_file: Some(server.path("stranger")), ..server.login() };
    let error = refusal(SshConnector::new(server.options()).connect(&login).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Login, Certainty::NotSent), "{error:?}");
    assert!(error.reason.contains("stranger (SHA256:"), "{}", error.reason);
    assert!(error.reason.contains(&format!("log in as `{}`", current_user())), "{}", error.reason);
    assert_eq!(server.log().matches("Failed publickey").count(), 1, "it was not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ways_to_log_in_are_named() {
    let server = Sshd::start("PubkeyAuthentication no\nPasswordAuthentication yes");
    let error = refusal(server.try_connect().await);
    assert_eq!(error.kind, RemoteErrorKind::Login);
    assert!(error.reason.contains("the host takes no public key, only password"), "{}", error.reason);
    let server = Sshd::start("PasswordAuthentication yes\nAuthenticationMethods publickey,password");
    let error = refusal(server.try_connect().await);
    assert_eq!(error.kind, RemoteErrorKind::Login);
    assert!(error.reason.ends_with("and wants password besides"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_key_files_are_named() {
    let server = Sshd::start("");
    let connector = SshConnector::new(server.options());
    let attempt = async |path: PathBuf| {
        let error = refusal(connector.connect(&Login { key_file: Some(path), ..server.login() }).await);
        assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Login, Certainty::NotSent));
        error.reason
    };
    assert!(attempt(server.path("none")).await.ends_with("none: No such file or directory (os error 2)"));
    fs::write(server.path("garbage"), "garbage").unwrap();
    fs::set_permissions(server.path("garbage"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(attempt(server.path("garbage")).await.contains("it is no private key"));
    new_key(&server.path("open"), "ed25519");
    fs::set_permissions(server.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let reason = attempt(server.path("open")).await;
    assert!(reason.contains("its permissions 0644 let others read it (`chmod 600`)"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_formats_log_in() {
    let server = Sshd::start("");
    let connector = SshConnector::new(server.options());
    let mut authorized = String::new();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        authorized += &(new_key(&server.path(kind), kind) + "\n");
    }
    for format in ["PEM", "PKCS8"] {
        for kind in ["ecdsa", "rsa"] {
            let name = format!("{kind}-{format}");
            let path = server.path(&name);
            let arguments = ["-q", "-t", kind, "-m", format, "-N", "", "-f", path.to_str().unwrap()];
            run("ssh-keygen", &arguments);
            authorized += &fs::read_to_string(path.with_extension("pub")).unwrap();
        }
    }
    fs::write(server.path("authorized"), authorized).unwrap();
    for name in ["ed25519", "ecdsa", "rsa", "ecdsa-PEM", "rsa-PEM", "ecdsa-PKCS8", "rsa-PKCS8"] {
        let login = Login { key_file: Some(server.path(name)), ..server.login() };
        let connection = connector.connect(&login).await;
        connection.unwrap_or_else(|error| panic!("{name}: {error:?}\n{}", server.log())).close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_certificate_beside_the_key_logs_in() {
    let server = Sshd::start_with(|folder| {
        new_key(&folder.join("ca"), "ed25519");
        let key = folder.join("user.pub");
        let (ca, user) = (folder.join("ca"), current_user());
        let arguments = ["-q", "-s", ca.to_str().unwrap(), "-I", "me", "-n", &user, key.to_str().unwrap()];
        run("ssh-keygen", &arguments);
        format!("TrustedUserCAKeys {}.pub\nAuthorizedKeysFile none", ca.display())
    });
    server.connect().await.close().await;
    fs::remove_file(server.path("user-cert.pub")).unwrap();
    assert_eq!(refusal(server.try_connect().await).kind, RemoteErrorKind::Login);
}

/// A real ssh-agent.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(server: &Sshd) -> Self {
        let socket = server.path("agent");
        let mut command = Command::new("ssh-agent");
        let child = command
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the agent listens", || socket.exists());
        Self { child, socket }
    }

    fn add(&self, key: &Path) {
        let output = Command::new("ssh-add").arg(key).env("SSH_AUTH_SOCK", &self.socket).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_logs_in() {
    let server = Sshd::start("");
    let agent = Agent::start(&server);
    let options = SshOptions { agent_socket: Some(agent.socket.clone()), ..server.options() };
    let usual = Login { key_file: None, ..server.login() };
    let error = refusal(SshConnector::new(options.clone()).connect(&usual).await);
    assert!(error.reason.contains("no key to try (the agent holds no key; there is no "), "{}", error.reason);
    for kind in ["rsa", "ecdsa"] {
        let path = server.path(kind);
        new_key(&path, kind);
        agent.add(&path);
    }
    agent.add(&server.path("user"));
    SshConnector::new(options.clone()).connect(&usual).await.unwrap().close().await;
    // RSA is signed with SHA-2.
    fs::copy(server.path("rsa.pub"), server.path("authorized")).unwrap();
    SshConnector::new(options.clone()).connect(&usual).await.unwrap().close().await;
    // No more keys than the host bears with.
    fs::write(server.path("authorized"), "").unwrap();
    for i in 0..5 {
        let path = server.path(&format!("k{i}"));
        new_key(&path, "ed25519");
        agent.add(&path);
    }
    let error = refusal(SshConnector::new(options).connect(&usual).await);
    assert_eq!(error.kind, RemoteErrorKind::Login);
    assert!(error.reason.contains("3 more in the agent were not tried"), "{}", error.reason);
    assert!(!server.log().contains("Too many authentication failures"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_needs_the_agent() {
    let server = Sshd::start("");
    let agent = Agent::start(&server);
    let key = server.path("user");
    let with_agent = SshOptions { agent_socket: Some(agent.socket.clone()), ..server.options() };
    let mut held = fs::read(&key).unwrap();
    for format in [&[][..], &["-m", "PEM"], &["-m", "PKCS8"]] {
        if !format.is_empty() {
            fs::remove_file(&key).unwrap();
            let authorized = new_key(&key, "rsa");
            fs::write(server.path("authorized"), authorized).unwrap();
            held = fs::read(&key).unwrap();
        }
        let arguments = [&["-q", "-p", "-N", "secret", "-f", key.to_str().unwrap()], format].concat();
        run("ssh-keygen", &arguments);
        let error = refusal(server.try_connect().await);
        assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Login, Certainty::NotSent));
        assert!(error.reason.contains("it is encrypted, and the agent does not hold it"), "{}", error.reason);
        let plain = server.path("plain");
        fs::write(&plain, &held).unwrap();
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o600)).unwrap();
        agent.add(&plain);
        let connection = SshConnector::new(with_agent.clone()).connect(&server.login()).await;
        connection.unwrap_or_else(|error| panic!("{format:?}: {error:?}")).close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn default_keys_and_known_hosts_are_in_the_home_folder() {
    let server = Sshd::start("");
    let ssh = server.path("home").join(".ssh");
    fs::create_dir_all(&ssh).unwrap();
    fs::copy(server.path("user"), ssh.join("id_ed25519")).unwrap();
    fs::copy(server.path("known_hosts"), ssh.join("known_hosts")).unwrap();
    let usual = Login { key_file: None, known_hosts: Vec::new(), ..server.login() };
    SshConnector::new(server.options()).connect(&usual).await.unwrap().close().await;
    let named = Login {
        key_file: Some("~/.ssh/id_ed25519".into()),
        known_hosts: vec!["~/.ssh/known_hosts".into()],
        ..usual
    };
    SshConnector::new(server.options()).connect(&named).await.unwrap().close().await;
}

// Host keys.

/// What is thought of the server's key; and that ssh itself thinks the same.
async fn with_known_hosts(server: &Sshd, text: &str) -> Result<(), RemoteError> {
    let result = judged(server, text).await;
    let oracle = Command::new("ssh")
        .args(["-F", "none", "-n", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "UpdateHostKeys=no", "-o", "GlobalKnownHostsFile=none", "-o", "IdentitiesOnly=yes"])
        .args(["-o", &format!("UserKnownHostsFile={}", server.path("known_hosts").display())])
        .args(["-i", server.path("user").to_str().unwrap(), "-p", &server.port.to_string()])
        .args(["127.0.0.1", "true"])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&oracle.stderr);
    assert_eq!(
        oracle.status.success(),
        result.is_ok(),
        "{text}\nwe: {:?}\nssh: {words}",
        result.as_ref().err()
    );
    result
}

async fn judged(server: &Sshd, text: &str) -> Result<(), RemoteError> {
    fs::write(server.path("known_hosts"), text).unwrap();
    let logins = || server.log().matches("Accepted publickey").count();
    let before = logins();
    let result = server.try_connect().await;
    assert_eq!(fs::read_to_string(server.path("known_hosts")).unwrap(), text, "it is never written");
    match result {
        Ok(connection) => {
            connection.close().await;
            Ok(())
        }
        Err(error) => {
            assert_eq!(
                (error.kind, error.certainty),
                (RemoteErrorKind::HostKey, Certainty::NotSent),
                "{error:?}"
            );
            assert_eq!(logins(), before, "nobody logs in to a stranger");
            Err(error)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_keys_are_judged_by_known_hosts() {
    let server = Sshd::start("");
    let (port, key) = (server.port, server.host_key.clone());
    let other = new_key(&server.path("other"), "ed25519");
    let other_rsa = new_key(&server.path("other-rsa"), "rsa");
    let file = server.path("known_hosts");
    let print = run("ssh-keygen", &["-lf", server.path("host.pub").to_str().unwrap()]);
    let print = print.split(' ').nth(1).unwrap();

    // Unknown: with the line to add.
    for text in [
        "",
        "[127.0.0.1]:1 ssh-ed25519 AAAA\n",
        &format!("[127.0.0.1]:{port} {other_rsa}\n"),
        &format!("127.0.0.1 {other}\n"),
    ] {
        let reason = with_known_hosts(&server, text).await.unwrap_err().reason;
        let line = format!("add this line to {}: [127.0.0.1]:{port} {key}", file.display());
        assert!(reason.ends_with(&line), "{reason}");
        assert!(reason.contains(&format!("it gave ssh-ed25519 {print}; compare that")), "{reason}");
    }
    // Changed: with the place.
    let text = format!("# comment\n\n[127.0.0.1]:{port} {other}\n");
    let reason = with_known_hosts(&server, &text).await.unwrap_err().reason;
    assert!(reason.contains("HAS CHANGED"), "{reason}");
    assert!(reason.contains(&format!("{}:3 says ssh-ed25519 SHA256:", file.display())), "{reason}");
    // Revoked: whatever else is said.
    for host in [format!("[127.0.0.1]:{port}"), "*".to_owned(), "127.0.0.1".to_owned()] {
        let text = format!("[127.0.0.1]:{port} {key}\n@revoked {host} {key}\n");
        // A key revoked for the address is revoked on all its ports; ssh is laxer.
        let reason = judged(&server, &text).await.unwrap_err().reason;
        assert!(
            reason.contains(&format!("{}:2 revokes the key ssh-ed25519 {print}", file.display())),
            "{reason}"
        );
    }
    // A name that is negated is not listed. As OpenSSH, that goes for the name with its port alone.
    with_known_hosts(&server, &format!("*,!*127.0.0.1* {key}\n")).await.unwrap_err();
    with_known_hosts(&server, &format!("*,![127.0.0.1]:{port} {key}\n")).await.unwrap();
    // An authority's own key is no host key.
    with_known_hosts(&server, &format!("@cert-authority * {key}\n")).await.unwrap_err();

    let accepted = [
        format!("[127.0.0.1]:{port} {key}\n"),
        format!("[127.0.0.1]:{port}\t{} a comment # here\n", key.replace(' ', "\t")),
        format!("a,[127.0.0.*]:{port} {key}\n"),
        // As OpenSSH: the address without the port will do.
        format!("127.0.0.1 {key}\n"),
        // A rotation: two keys of one type.
        format!("[127.0.0.1]:{port} {other}\n[127.0.0.1]:{port} {key}\n"),
    ];
    for text in &accepted {
        with_known_hosts(&server, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    // Hashed.
    fs::write(&file, &accepted[0]).unwrap();
    run("ssh-keygen", &["-H", "-f", file.to_str().unwrap()]);
    let hashed = fs::read_to_string(&file).unwrap();
    assert!(hashed.starts_with("|1|"));
    with_known_hosts(&server, &hashed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_type_that_is_known_is_asked_for() {
    let server = Sshd::start_with(|folder| {
        ["ecdsa", "rsa"]
            .map(|kind| {
                new_key(&folder.join(kind), kind);
                format!("HostKey {}", folder.join(kind).display())
            })
            .join("\n")
    });
    for kind in ["ecdsa", "rsa", "host"] {
        let key = fs::read_to_string(server.path(&format!("{kind}.pub"))).unwrap();
        let text = format!("[127.0.0.1]:{} {key}", server.port);
        with_known_hosts(&server, &text).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_certificates_are_judged_by_their_authority() {
    let sign = |folder: &Path, extra: &[&str]| {
        let (ca, key) = (folder.join("ca"), folder.join("host.pub"));
        let arguments =
            [&["-q", "-s", ca.to_str().unwrap(), "-I", "web01"], extra, &[key.to_str().unwrap()]].concat();
        run("ssh-keygen", &arguments);
    };
    let server = Sshd::start_with(|folder| {
        new_key(&folder.join("ca"), "ed25519");
        sign(folder, &["-h", "-n", "127.0.0.1"]);
        format!("HostCertificate {}/host-cert.pub", folder.display())
    });
    let folder = server.folder.path();
    let ca = fs::read_to_string(server.path("ca.pub")).unwrap();
    let trusted = format!("@cert-authority *,[127.0.0.1]:* {ca}");
    with_known_hosts(&server, &trusted).await.unwrap();
    // The key itself is known: then the certificate of a stranger does no harm.
    let other = new_key(&server.path("other"), "ed25519");
    let port = server.port;
    let both = format!("@cert-authority * {other}\n[127.0.0.1]:{port} {}\n", server.host_key);
    with_known_hosts(&server, &both).await.unwrap();
    with_known_hosts(&server, &format!("@cert-authority * {other}\n")).await.unwrap_err();
    for revoked in [&ca, &(server.host_key.clone() + "\n")] {
        let reason =
            with_known_hosts(&server, &format!("{trusted}@revoked * {revoked}")).await.unwrap_err().reason;
        assert!(reason.contains(":2 revokes the key"), "{reason}");
    }
    for (arguments, reason) in [
        (&["-h", "-n", "web02"][..], "it is for [\"web02\"]"),
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"], "it has expired"),
        (&["-h", "-n", "127.0.0.1", "-O", "critical:force-command=x"], "it has critical options"),
    ] {
        sign(folder, arguments);
        // A new server reads the new certificate.
        let _ = kill(Pid::from_raw(server.child.id().cast_signed()), Signal::SIGHUP);
        let listening = server.log().matches("Server listening").count();
        comes("sshd started anew", || server.log().matches("Server listening").count() > listening).await;
        let error = with_known_hosts(&server, &trusted).await.unwrap_err();
        assert!(error.reason.contains(reason), "{}", error.reason);
    }
}

// Not connecting.

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_port_is_unreachable_after_retries() {
    let server = Sshd::start("");
    let port = certwave::lab::free_port("127.0.0.1".parse().unwrap()).unwrap();
    let options = SshOptions { retry_delay: Duration::from_millis(10), ..server.options() };
    let error = refusal(SshConnector::new(options).connect(&Login { port, ..server.login() }).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
    assert_eq!(error.reason, format!("connect to 127.0.0.1:{port}: Connection refused (os error 111)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_port_is_given_up_and_its_sockets_are_closed() {
    let server = Sshd::start("");
    for words in ["", "SSH-2.0-mute\r\n", "HTTP/1.1 400 Bad Request\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = std::thread::spawn(move || {
            let mut accepted: Vec<_> = (0..3)
                .map(|_| {
                    let mut socket = listener.accept().unwrap().0;
                    std::io::Write::write_all(&mut socket, words.as_bytes()).unwrap();
                    socket
                })
                .collect();
            // All of them end: nothing is left open on the other side.
            for socket in &mut accepted {
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.read_to_end(&mut Vec::new()).unwrap();
            }
        });
        let options = SshOptions {
            connect_timeout: Duration::from_millis(200),
            connect_retries: 2,
            retry_delay: Duration::from_millis(10),
            ..server.options()
        };
        let login = Login { port, ..server.login() };
        let error = refusal(SshConnector::new(options).connect(&login).await);
        assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
        let said = if words.starts_with("HTTP") { ", and said: HTTP/1.1 400 Bad Request" } else { "" };
        let expected = format!(
            "connect to 127.0.0.1:{port}: it took the connection, but spoke no SSH within 200ms{said}"
        );
        assert_eq!(error.reason, expected);
        tokio::task::spawn_blocking(|| accepting.join().unwrap()).await.unwrap();
    }
}

/// A connection that does not log in, and takes a place of `MaxStartups`: sshd has greeted it.
fn admitted(server: &Sshd) -> std::net::TcpStream {
    let mut admitted = None;
    until("sshd has a place", || {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let mut greeting = [0; 4];
        if socket.read_exact(&mut greeting).is_ok() && greeting == *b"SSH-" {
            admitted = Some(socket);
        }
        admitted.is_some()
    });
    admitted.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowded_server_is_asked_again() {
    let server = Sshd::start("MaxStartups 1:100:1");
    let crowd = admitted(&server);
    let options =
        SshOptions { connect_retries: 30, retry_delay: Duration::from_millis(50), ..server.options() };
    let login = server.login();
    let connecting = tokio::spawn(async move { SshConnector::new(options).connect(&login).await });
    let drops = |line: &str| line.contains("drop connection") && line.contains("maxstartups");
    comes("sshd dropped a connection", || server.log().to_lowercase().lines().any(drops)).await;
    drop(crowd);
    connecting.await.unwrap().unwrap().close().await;
    // Without retries it says why.
    let _crowd = admitted(&server);
    let options = SshOptions { connect_retries: 0, ..server.options() };
    let error = refusal(SshConnector::new(options).connect(&server.login()).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
    // Since 9.8 sshd answers before it does so.
    let told = ["it dropped the connection", "too many others log in (`MaxStartups`)"];
    assert!(told.iter().any(|words| error.reason.contains(words)), "{}", error.reason);
}

fn explained(reason: &str) {
    assert!(reason.contains("logins from this machine failed (`PerSourcePenalties`)"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_allow_it_now_is_explained_and_asked_again() {
    let server = Sshd::start("");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let login = Login { port: listener.local_addr().unwrap().port(), ..server.login() };
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, b"Not allowed at this time\r\n").unwrap();
        }
    });
    let options =
        SshOptions { connect_retries: 1, retry_delay: Duration::from_millis(50), ..server.options() };
    let error = refusal(SshConnector::new(options).connect(&login).await);
    answering.join().unwrap();
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Unreachable, Certainty::NotSent));
    explained(&error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_punishes_failed_logins_is_explained() {
    if !certwave::lab::knows_penalties() {
        require::note("this sshd is older than OpenSSH 9.8, which brought `PerSourcePenalties`");
        return;
    }
    let server = Sshd::start("PerSourcePenalties authfail:60s noauth:60s min:1s");
    fs::write(server.path("authorized"), "").unwrap();
    let mut reason = refusal(server.try_connect().await).reason;
    let deadline = Instant::now() + PATIENCE;
    while !reason.contains("PerSourcePenalties") && Instant::now() < deadline {
        reason = refusal(server.try_connect().await).reason;
    }
    explained(&reason);
}

// Tunnels.

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_carries_bytes_both_ways() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = socket.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let sent = pattern(3_000_000);
    let (mut read, mut write) = tokio::io::split(connection.tunnel("127.0.0.1", port).await.unwrap());
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let ((), got) = tokio::join!(writing, read.read_to_end(&mut received));
    got.unwrap();
    assert!(received == sent);
    // Nobody listens there.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(connection.tunnel("127.0.0.1", dead).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::NotSent));
    assert!(error.reason.ends_with("the host could not connect there"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_tunnel_names_the_setting() {
    let server = Sshd::start("AllowTcpForwarding no");
    let connection = server.connect().await;
    let error = refusal(connection.tunnel("127.0.0.1", 443).await);
    assert_eq!((error.kind, error.certainty), (RemoteErrorKind::Protocol, Certainty::NotSent));
    assert!(error.reason.contains("AllowTcpForwarding"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_fails_with_its_connection() {
    let server = Sshd::start("");
    let connection = server.connect().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut reader = connection.tunnel("127.0.0.1", port).await.unwrap();
    let mut writer = connection.tunnel("127.0.0.1", port).await.unwrap();
    let _never_read = (listener.accept().await.unwrap(), listener.accept().await.unwrap());
    let reading = tokio::spawn(async move { reader.read_u8().await.unwrap_err().kind() });
    let writing =
        tokio::spawn(async move { writer.write_all(&pattern(50_000_000)).await.unwrap_err().kind() });
    // Let the writer run into the window's end.
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.signal_connections(Signal::SIGKILL);
    let ended = tokio::time::timeout(PATIENCE, async { (reading.await.unwrap(), writing.await.unwrap()) });
    let aborted = std::io::ErrorKind::ConnectionAborted;
    assert_eq!(ended.await.unwrap(), (aborted, aborted));
}
