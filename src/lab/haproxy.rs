//! An HAProxy of any user, in a folder of its own: a master and its worker.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::LabError;
use crate::lab::process::{Process, folder, free_port, program, write};

/// How an HAProxy is made.
#[derive(Debug, Clone)]
pub struct HaproxyOptions {
    /// What stands after `ssl` on the `bind` line: `crt PATH`, `crt-list PATH`, several.
    pub certificates: String,
    /// Where it listens.
    pub address: IpAddr,
    /// More lines of `global`.
    pub global: String,
}

/// A running HAProxy, which answers every request by itself.
#[derive(Debug)]
pub struct HaproxyServer {
    /// Ends with this value.
    pub process: Process,
    /// Where it serves TLS.
    pub https: SocketAddr,
    /// Its runtime API.
    pub socket: PathBuf,
    /// Its master's socket.
    pub master_socket: PathBuf,
    /// Its configuration (`-f`).
    pub config: PathBuf,
}

impl HaproxyServer {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(directory: &Path, options: &HaproxyOptions) -> Result<Self, LabError> {
        let program = program("haproxy")?;
        folder(directory)?;
        let config = directory.join("haproxy.cfg");
        let (socket, master_socket) = (directory.join("admin.sock"), directory.join("master.sock"));
        let mut failure = None;
        // Somebody else may take the port before HAProxy does.
        for _ in 0..5 {
            let https = SocketAddr::new(options.address, free_port(options.address)?);
            let text = format!(
                "global\n  nbthread 1\n  maxconn 2000\n  stats socket unix@{} mode 600 level admin\n{}\n\
                 defaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n\
                 frontend tls\n  bind {https} ssl {}\n  \
                 http-request return status 200 content-type text/plain string \"certwave lab\"\n",
                socket.display(),
                options.global,
                options.certificates,
            );
            write(&config, text)?;
            let mut command = Command::new(&program);
            command.arg("-W").arg("-f").arg(&config).arg("-p").arg(directory.join("haproxy.pid"));
            command.arg("-S").arg(format!("unix@{},level,admin", master_socket.display()));
            let log = directory.join("haproxy.log");
            let mut process = Process::start(format!("haproxy on {}", options.address), &command, &log)?;
            match process.wait_for_port(https) {
                Ok(()) => return Ok(Self { process, https, socket, master_socket, config }),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or(LabError::Missing { program: "haproxy" }))
    }
}
