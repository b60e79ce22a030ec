//! An nginx of any user, in a folder of its own.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::LabError;
use crate::lab::process::{Process, folder, free_port, program, write};

/// How an nginx is made.
#[derive(Debug, Clone)]
pub struct NginxOptions {
    /// `ssl_certificate`
    pub certificate: PathBuf,
    /// `ssl_certificate_key`
    pub key: PathBuf,
    /// Where it listens.
    pub address: IpAddr,
    /// Port of plain HTTP, which answers ACME challenges.
    pub http_port: u16,
    /// More lines for the server.
    pub extra: String,
}

/// A running nginx.
#[derive(Debug)]
pub struct NginxServer {
    /// Ends with this value.
    pub process: Process,
    /// Where it serves TLS.
    pub https: SocketAddr,
    /// Its folder (`-p`).
    pub prefix: PathBuf,
    /// Its configuration (`-c`).
    pub config: PathBuf,
    /// What plain HTTP serves.
    pub webroot: PathBuf,
}

impl NginxServer {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(prefix: &Path, options: &NginxOptions) -> Result<Self, LabError> {
        let program = program("nginx")?;
        let webroot = prefix.join("www");
        for inner in ["logs", "tmp", "www/.well-known/acme-challenge"] {
            folder(&prefix.join(inner))?;
        }
        write(&webroot.join("index.html"), "certwave lab\n")?;
        write(&webroot.join("large.bin"), vec![b'x'; 400_000])?;
        let config = prefix.join("nginx.conf");
        let mut failure = None;
        // Somebody else may take the port before nginx does.
        for _ in 0..5 {
            let https = SocketAddr::new(options.address, free_port(options.address)?);
            write(&config, configuration(prefix, options, https))?;
            match serve(&program, prefix, https) {
                Ok(process) => {
                    return Ok(Self { process, https, prefix: prefix.to_owned(), config, webroot });
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or(LabError::Missing { program: "nginx" }))
    }

    /// Starts it again where it was, after its process was stopped.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_again(&mut self) -> Result<(), LabError> {
        self.process.stop();
        self.process = serve(&program("nginx")?, &self.prefix, self.https)?;
        Ok(())
    }
}

fn serve(program: &Path, prefix: &Path, https: SocketAddr) -> Result<Process, LabError> {
    let mut command = Command::new(program);
    command.arg("-p").arg(prefix).arg("-c").arg(prefix.join("nginx.conf"));
    command.arg("-e").arg(prefix.join("logs/error.log")).args(["-g", "daemon off;"]);
    let name = format!("nginx on {}", https.ip());
    let mut process = Process::start(name, &command, &prefix.join("logs/stderr.log"))?;
    process.wait_for_port(https).map(|()| process)
}

fn configuration(prefix: &Path, options: &NginxOptions, https: SocketAddr) -> String {
    let prefix = prefix.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {prefix}/tmp/{kind};\n"))
        .collect();
    // root's workers would become another user, who may not look into root's folders.
    let user = if nix::unistd::geteuid().is_root() { "user root root;\n" } else { "" };
    format!(
        "{user}worker_processes 1;\npid {prefix}/logs/nginx.pid;\nerror_log {prefix}/logs/error.log notice;\n\
         events {{ worker_connections 512; }}\nhttp {{\n    access_log off;\n{temporary}\
         \x20   server {{\n        listen {https} ssl;\n        server_name _;\n        root {prefix}/www;\n\
         \x20       ssl_protocols TLSv1.2 TLSv1.3;\n        ssl_certificate {};\n        ssl_certificate_key {};\n\
         \x20       location = /large.bin {{ limit_rate 100k; }}\n        {}\n    }}\n\
         \x20   server {{\n        listen {}:{};\n        root {prefix}/www;\n    }}\n}}\n",
        options.certificate.display(),
        options.key.display(),
        options.extra,
        options.address,
        options.http_port,
    )
}
