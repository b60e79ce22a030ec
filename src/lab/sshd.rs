//! An OpenSSH server that the current user can log in to.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use russh::keys::ssh_key::{Algorithm, LineEnding, PrivateKey};

use crate::lab::LabError;
use crate::lab::process::{Process, folder, free_port, program, write, write_private};

/// A key pair to log in with.
#[derive(Debug, Clone)]
pub struct UserKey {
    /// The private key's file.
    pub path: PathBuf,
    /// The public key as one line.
    pub public: String,
}

impl UserKey {
    /// A new key pair in a folder.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn new(directory: &Path) -> Result<Self, LabError> {
        let (private, public) = key_pair()?;
        let path = directory.join("id_ed25519");
        write_private(&path, private)?;
        Ok(Self { path, public })
    }
}

fn key_pair() -> Result<(Vec<u8>, String), LabError> {
    let wrong = |error: russh::keys::ssh_key::Error| LabError::Key(error.to_string());
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(wrong)?;
    let private = key.to_openssh(LineEnding::LF).map_err(wrong)?;
    let public = key.public_key().to_openssh().map_err(wrong)?;
    Ok((private.as_bytes().to_vec(), public))
}

/// A running sshd.
#[derive(Debug)]
pub struct Sshd {
    /// Ends with this value.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// What `known_hosts` says about it.
    pub known_hosts_line: String,
    directory: PathBuf,
}

impl Sshd {
    /// Starts one on a free port of an address. `extra` is configuration that wins over the lab's own.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(directory: &Path, address: IpAddr, user: &UserKey, extra: &str) -> Result<Self, LabError> {
        folder(directory)?;
        let program = program("sshd")?;
        if nix::unistd::geteuid().is_root() {
            folder(Path::new("/run/sshd"))?;
        }
        let (private, public) = key_pair()?;
        let at = |name: &str| directory.join(name).display().to_string();
        write_private(&directory.join("host_key"), private)?;
        write(&directory.join("authorized_keys"), format!("{}\n", user.public))?;
        let mut failure = None;
        // Somebody else may take the port before sshd does.
        for _ in 0..5 {
            let port = free_port(address)?;
            // Root's account is often locked, and only PAM lets a key in all the same.
            let pam = if nix::unistd::geteuid().is_root() { "yes" } else { "no" };
            // sshd takes the first value of a keyword, hence what is extra comes first; of `MaxStartups` it takes the last.
            let own = |keyword, value| match extra.contains(keyword) {
                true => String::new(),
                false => format!("{keyword} {value}\n"),
            };
            let startups = own("MaxStartups", "1000:30:2000");
            let penalties = if knows_penalties() { own("PerSourcePenalties", "no") } else { String::new() };
            let config = format!(
                "{extra}\nListenAddress {address}\nPort {port}\nHostKey {}\nPidFile {}\nAuthorizedKeysFile {}\n\
                 UsePAM {pam}\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 PermitRootLogin yes\nUseDNS no\nPrintMotd no\nAllowTcpForwarding yes\n\
                 Subsystem sftp internal-sftp\nSetEnv HOME={}\n{startups}{penalties}",
                at("host_key"),
                at("sshd.pid"),
                at("authorized_keys"),
                // A host of its own does not read what the shell of whoever starts the lab reads at its start.
                directory.display(),
            );
            write(&directory.join("sshd_config"), config)?;
            let address = SocketAddr::new(address, port);
            match serve(&program, directory, address) {
                Ok(process) => {
                    let known_hosts_line = format!("[{}]:{} {public}", address.ip(), address.port());
                    let directory = directory.to_owned();
                    return Ok(Self { process, address, known_hosts_line, directory });
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or(LabError::Missing { program: "sshd" }))
    }

    /// Starts it again where it was, with the same keys, after its process was stopped.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_again(&mut self) -> Result<(), LabError> {
        self.process.stop();
        self.process = serve(&program("sshd")?, &self.directory, self.address)?;
        Ok(())
    }
}

fn serve(program: &Path, directory: &Path, address: SocketAddr) -> Result<Process, LabError> {
    let mut command = Command::new(program);
    command.args(["-D", "-e", "-f"]).arg(directory.join("sshd_config"));
    let name = format!("sshd on {}", address.ip());
    let mut process = Process::start(name, &command, &directory.join("sshd.log"))?;
    process.wait_for_port(address).map(|()| process)
}

/// Whether this machine's sshd punishes an address whose logins fail, which a test does on purpose: OpenSSH 9.8 and later.
pub fn knows_penalties() -> bool {
    let Ok(sshd) = program("sshd") else { return false };
    let version = Command::new(sshd).arg("-V").output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
    let number = text
        .split("OpenSSH_")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse::<f32>().ok());
    number.is_some_and(|number| number >= 9.8)
}
