//! Pebble, an ACME server for tests, and the DNS server that it asks.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod};
use serde_json::json;

use crate::lab::LabError;
use crate::lab::authority::Authority;
use crate::lab::process::{Process, folder, free_port, program, write, write_private};

/// A running Pebble with its DNS.
#[derive(Debug)]
pub struct Pebble {
    /// The ACME server; ends with this value.
    pub server: Process,
    /// Its DNS; ends with this value.
    pub dns: Process,
    directory_url: String,
    ca_file: PathBuf,
    dns_control: SocketAddr,
    management: SocketAddr,
}

/// Challenges are asked for at once, and no nonce is refused unless a test wants it.
const QUICK: [(&str, &str); 2] = [("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")];

impl Pebble {
    /// Starts both on an address. HTTP-01 is validated at `http_port` of the address that DNS gives, which is
    /// `target` for every name. `settings` go into Pebble's own configuration; `environment` to its process.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(
        directory: &Path,
        address: IpAddr,
        http_port: u16,
        target: IpAddr,
        settings: serde_json::Value,
        environment: &[(&str, &str)],
    ) -> Result<Self, LabError> {
        folder(directory)?;
        let mut failure = None;
        // Somebody else may take a port before they do.
        for _ in 0..5 {
            match Self::try_start(directory, address, http_port, target, &settings, environment) {
                Err(error @ LabError::NotReady { .. }) => failure = Some(error),
                other => return other,
            }
        }
        Err(failure.unwrap_or(LabError::Missing { program: "pebble" }))
    }

    fn try_start(
        directory: &Path,
        address: IpAddr,
        http_port: u16,
        target: IpAddr,
        settings: &serde_json::Value,
        environment: &[(&str, &str)],
    ) -> Result<Self, LabError> {
        let (pebble, challtestsrv) = (program("pebble")?, program("pebble-challtestsrv")?);
        let at = |port: u16| SocketAddr::new(address, port);
        let [acme, management, dns_port, control] = [(); 4].map(|()| free_port(address));
        let (acme, management, dns_port, control) = (at(acme?), at(management?), at(dns_port?), at(control?));

        let mut command = Command::new(&challtestsrv);
        command.args(["-management", &control.to_string(), "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        command.args(["-defaultIPv4", &target.to_string(), "-defaultIPv6", ""]);
        // The flag was renamed; the later one also serves DNS over HTTPS unless told not to.
        let help = Command::new(&challtestsrv)
            .arg("-help")
            .output()
            .map_err(LabError::io("run pebble-challtestsrv"))?;
        if String::from_utf8_lossy(&help.stderr).contains("-dnsserver") {
            command.args(["-dnsserver", &dns_port.to_string(), "-doh", ""]);
        } else {
            command.args(["-dns01", &dns_port.to_string()]);
        }
        let mut dns = Process::start("pebble-challtestsrv", &command, &directory.join("dns.log"))?;
        dns.wait_for_port(control)?;

        let authority = Authority::new("certwave lab's API")?;
        let (certificate, key) = authority.issue(&[&address.to_string(), "localhost"], 0, 365)?;
        let ca_file = directory.join("api-root.pem");
        write(&ca_file, authority.root_pem()?)?;
        write(&directory.join("api.pem"), certificate)?;
        write_private(&directory.join("api-key.pem"), key)?;
        let mut config = json!({
            "listenAddress": acme.to_string(), "managementListenAddress": management.to_string(),
            "certificate": directory.join("api.pem"), "privateKey": directory.join("api-key.pem"),
            "httpPort": http_port, "tlsPort": http_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": 90 * 86_400,
            "profiles": {"default": {"description": "lab", "validityPeriod": 90 * 86_400}},
        });
        if let (Some(config), Some(settings)) = (config.as_object_mut(), settings.as_object()) {
            config.extend(settings.clone());
        }
        write(&directory.join("pebble.json"), json!({"pebble": config}).to_string())?;
        let mut command = Command::new(&pebble);
        command.arg("-config").arg(directory.join("pebble.json")).args(["-dnsserver", &dns_port.to_string()]);
        command.envs(QUICK).envs(environment.iter().copied());
        let mut server = Process::start("pebble", &command, &directory.join("pebble.log"))?;
        server.wait_for_port(acme)?;
        server.wait_for_port(management)?;
        let directory_url = format!("https://{acme}/dir");
        Ok(Self { server, dns, directory_url, ca_file, dns_control: control, management })
    }

    /// The URL of the ACME directory.
    pub fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// The file with the root that the ACME server itself is trusted by.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The root of the certificates that it issues, in PEM.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn root_pem(&self) -> Result<Vec<u8>, LabError> {
        let answer = self.ask("roots/0")?;
        let start = answer.windows(10).position(|window| window == b"-----BEGIN").unwrap_or(answer.len());
        Ok(answer[start..].to_vec())
    }

    /// Whether a certificate that it issued is revoked; by its serial number, in hexadecimal.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn is_revoked(&self, serial: &str) -> Result<bool, LabError> {
        let answer = self.ask(&format!("cert-status-by-serial/{serial}"))?;
        Ok(String::from_utf8_lossy(&answer).contains(r#""Status": "Revoked""#))
    }

    /// Asks its management interface.
    fn ask(&self, what: &str) -> Result<Vec<u8>, LabError> {
        let asked = || -> std::io::Result<Vec<u8>> {
            let mut connector = SslConnector::builder(SslMethod::tls_client())?;
            connector.set_ca_file(&self.ca_file)?;
            let stream = TcpStream::connect(self.management)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let host = self.management.ip().to_string();
            let mut stream = connector.build().connect(&host, stream).map_err(std::io::Error::other)?;
            write!(stream, "GET /{what} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        };
        asked().map_err(LabError::io("ask pebble"))
    }

    /// Tells the DNS something: `set-default-ipv4`, `add-a`, `set-servfail` and so on, with its JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn tell_dns(&self, what: &str, body: &serde_json::Value) -> Result<(), LabError> {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.dns_control)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let body = body.to_string();
            write!(
                stream,
                "POST /{what} HTTP/1.0\r\nHost: dns\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = asked().map_err(LabError::io("tell the DNS"))?;
        if answer.contains(" 200 ") {
            return Ok(());
        }
        Err(LabError::NotReady { server: "pebble-challtestsrv".to_owned(), reason: answer })
    }
}
