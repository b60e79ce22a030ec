//! An Envoy of any user, in a folder of its own, whose secrets come from a file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::LabError;
use crate::lab::process::{Process, folder, free_port, program_or, write};

/// How an Envoy is made.
#[derive(Debug, Clone)]
pub struct EnvoyOptions {
    /// The secrets that its listener uses: the name of each, and its SDS file, which must be there.
    pub secrets: Vec<(String, PathBuf)>,
    /// Where it listens.
    pub address: IpAddr,
}

/// A running Envoy, which answers every request by itself.
#[derive(Debug)]
pub struct EnvoyServer {
    /// Ends with this value.
    pub process: Process,
    /// Where it serves TLS.
    pub https: SocketAddr,
    /// Its admin interface.
    pub admin: SocketAddr,
}

impl EnvoyServer {
    /// Starts one on free ports.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(directory: &Path, options: &EnvoyOptions) -> Result<Self, LabError> {
        let program = program_or("envoy", &installed())?;
        folder(directory)?;
        let config = directory.join("envoy.yaml");
        let mut failure = None;
        // Somebody else may take a port before Envoy does.
        for _ in 0..5 {
            let at = || Ok::<_, LabError>(SocketAddr::new(options.address, free_port(options.address)?));
            let (https, admin) = (at()?, at()?);
            write(&config, configuration(options, https, admin))?;
            let mut command = Command::new(&program);
            command.arg("-c").arg(&config).args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "-l",
                "warning",
            ]);
            command.current_dir(directory);
            let log = directory.join("envoy.log");
            let mut process = Process::start(format!("envoy on {}", options.address), &command, &log)?;
            match process.wait_for_port(https) {
                Ok(()) => return Ok(Self { process, https, admin }),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or(LabError::Missing { program: "envoy" }))
    }
}

/// Where `tests/setup.sh` puts it, as Debian has none.
fn installed() -> PathBuf {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".local/share");
    data.unwrap_or_else(home).join("certwave/envoy/envoy")
}

fn configuration(options: &EnvoyOptions, https: SocketAddr, admin: SocketAddr) -> String {
    let secret = |(name, sds): &(String, PathBuf)| {
        let sds = sds.display();
        format!(
            "{{name: {name}, sds_config: {{path_config_source: {{path: \"{sds}\"}}, resource_api_version: V3}}}}"
        )
    };
    let secrets: Vec<String> = options.secrets.iter().map(secret).collect();
    let socket = |at: SocketAddr| {
        format!("{{socket_address: {{address: \"{}\", port_value: {}}}}}", at.ip(), at.port())
    };
    format!(
        r#"admin: {{address: {admin}}}
node: {{id: lab, cluster: lab}}
static_resources:
  listeners:
  - name: tls
    address: {https}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificate_sds_secret_configs: [{secrets}]
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: tls
          codec_type: HTTP1
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                direct_response: {{status: 200, body: {{inline_string: "certwave lab"}}}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"#,
        admin = socket(admin),
        https = socket(https),
        secrets = secrets.join(", "),
    )
}
