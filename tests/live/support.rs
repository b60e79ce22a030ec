//! A lab, and the program run against it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use certwave::lab::{Lab, LabOptions};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use serde_json::Value;

use crate::running::Running;

pub(crate) struct Fleet {
    pub(crate) lab: Lab,
}

impl Fleet {
    pub(crate) fn start(hosts: usize) -> Self {
        Self::with_soak(hosts, "1s")
    }

    pub(crate) fn with_soak(hosts: usize, soak: &str) -> Self {
        let options = LabOptions { hosts, haproxy: 0, envoy: 0, directory: None, soak: soak.to_owned() };
        Self { lab: Lab::start(&options).unwrap() }
    }

    /// A fleet with HAProxy and Envoy besides.
    pub(crate) fn mixed(hosts: usize, haproxy: usize, envoy: usize) -> Self {
        let options = LabOptions { hosts, haproxy, envoy, directory: None, soak: "1s".to_owned() };
        Self { lab: Lab::start(&options).unwrap() }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_in(&self.state(), args)
    }

    /// The program with a state folder of its own, as another controller has it.
    pub(crate) fn command_in(&self, state: &std::path::Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certwave"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CERTWAVE_")) {
            command.env_remove(name);
        }
        command
            .args(args)
            .arg("-i")
            .arg(self.lab.inventory())
            .arg("--state")
            .arg(format!("sqlite:{}", state.display()))
            .env("HOME", self.lab.directory())
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(self.lab.directory())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.lab.directory().join("state")
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Running::start(self.command(args)).end()
    }

    pub(crate) fn roll_out(&self, args: &[&str]) -> Run {
        self.run(&[&["rollout", "playbook.yaml", "--yes", "--output", "json"], args].concat())
    }

    pub(crate) fn resume(&self) -> Run {
        self.run(&["--output", "json", "resume"])
    }

    /// Starts a rollout and waits for an event.
    pub(crate) fn roll_out_until(&self, event: &str) -> Running {
        let args = ["rollout", "playbook.yaml", "--yes", "--output", "json"];
        let mut rollout = Running::start(self.command(&args));
        rollout.until_event(event);
        rollout
    }

    /// Changes the playbook's text.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        edit(&self.lab.playbook(), from, to);
    }

    pub(crate) fn edit_inventory(&self, from: &str, to: &str) {
        edit(&self.lab.inventory(), from, to);
    }

    /// The SHA-256 of the leaf that a host serves.
    pub(crate) fn served(&self, host: usize) -> String {
        leaf(self.lab.hosts[host].nginx.https, "api.lab.test", "")
    }

    /// The same of a host with HAProxy or Envoy.
    pub(crate) fn front_served(&self, front: usize) -> String {
        self.front_served_as(front, "api.lab.test")
    }

    pub(crate) fn front_served_as(&self, front: usize, name: &str) -> String {
        leaf(self.lab.fronts[front].server.https(), name, "")
    }

    pub(crate) fn all_served(&self) -> Vec<String> {
        (0..self.lab.hosts.len()).map(|host| self.served(host)).collect()
    }

    /// Whether certwave wrote anything on any host.
    pub(crate) fn untouched(&self) -> bool {
        self.lab.hosts.iter().all(|host| {
            std::fs::read_dir(host.root.join("etc/certwave"))
                .unwrap()
                .all(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(".lock"))
        })
    }
}

/// The chain that is served to a name, each by its SHA-256.
pub(crate) fn chain(address: std::net::SocketAddr, name: &str) -> Vec<String> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let stream = std::net::TcpStream::connect(address).unwrap();
    let mut config = builder.build().configure().unwrap();
    config.set_verify_hostname(false);
    let stream = config.connect(name, stream).unwrap();
    let chain = stream.ssl().peer_cert_chain().unwrap();
    chain.iter().map(|one| hex::encode(openssl::sha::sha256(&one.to_der().unwrap()))).collect()
}

/// The SHA-256 of the leaf that is served to a name, and to these signature algorithms.
pub(crate) fn leaf(address: std::net::SocketAddr, name: &str, signatures: &str) -> String {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    if !signatures.is_empty() {
        builder.set_sigalgs_list(signatures).unwrap();
    }
    let stream = std::net::TcpStream::connect(address).unwrap();
    let mut config = builder.build().configure().unwrap();
    config.set_verify_hostname(false);
    let stream = config.connect(name, stream).unwrap();
    let leaf = stream.ssl().peer_certificate().unwrap();
    hex::encode(openssl::sha::sha256(&leaf.to_der().unwrap()))
}

pub(crate) fn edit(path: &std::path::Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line of JSON.
    pub(crate) fn last(&self) -> Value {
        serde_json::from_str(self.stdout.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr))
    }

    /// The SHA-256 of the leaf that was rolled out.
    pub(crate) fn leaf(&self) -> String {
        self.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned()
    }

    /// Why a host failed.
    pub(crate) fn error(&self, host: usize) -> String {
        self.last()["hosts"][host]["error"].as_str().unwrap().to_owned()
    }

    /// Every line of JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The outcomes of all hosts.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let last = self.last();
        let hosts = last["hosts"].as_array().unwrap();
        hosts.iter().map(|host| host["outcome"].as_str().unwrap().to_owned()).collect()
    }
}
