//! Logging in: keys, agents and certificates, and what a refused login says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use certwave::inventory::Login;
use certwave::ports::{Certainty, Connection, Connector, RemoteErrorKind};
use certwave::ssh::{SshConnector, SshOptions};

use crate::support::{Sshd, current_user, new_key, refusal, run, until};

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
    fs::write(server.path("authorized_keys"), authorized).unwrap();
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
    fs::copy(server.path("rsa.pub"), server.path("authorized_keys")).unwrap();
    SshConnector::new(options.clone()).connect(&usual).await.unwrap().close().await;
    // No more keys than the host bears with.
    fs::write(server.path("authorized_keys"), "").unwrap();
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
            fs::write(server.path("authorized_keys"), authorized).unwrap();
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
