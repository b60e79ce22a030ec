//! One full handshake, and what it showed.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use openssl::ssl::{
    SslConnector, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode,
};
use openssl::x509::{X509, X509VerifyResult};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::held::HeldConnection;
use super::starttls::upgrade;
use crate::certificate::KeyAlgorithm;
use crate::engine::ports::{BoxedStream, Conversation, Prober};
use crate::verify::{Endpoint, Observation, Served};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of trusted roots.
    #[error("read the trusted roots in `{}`", path.display())]
    Roots {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of trusted roots that holds none.
    #[error("use `{}`: it holds no PEM certificate", path.display())]
    NoRoots {
        /// Which file.
        path: PathBuf,
    },
    /// OpenSSL itself.
    #[error("set up TLS")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

/// Probes endpoints. Reading the system's roots takes 50 ms and more, so there is one for a whole rollout; clones
/// share it.
#[derive(Clone)]
pub struct TlsProber {
    any: SslConnector,
    keyed: Arc<Keyed>,
}

/// For the other choices of [`Endpoint::key`], made when the first endpoint has it.
struct Keyed {
    ca_files: Vec<PathBuf>,
    ecdsa: OnceLock<SslConnector>,
    rsa: OnceLock<SslConnector>,
}

impl Keyed {
    fn get(&self, algorithm: KeyAlgorithm) -> Result<&SslConnector, String> {
        let (cell, signatures) = match algorithm {
            KeyAlgorithm::Ecdsa => (&self.ecdsa, ECDSA),
            KeyAlgorithm::Rsa => (&self.rsa, RSA),
        };
        match cell.get() {
            Some(connector) => Ok(connector),
            // Two that come at once make two, and use one.
            None => connector(&self.ca_files, Some(signatures))
                .map(|made| cell.get_or_init(|| made))
                .map_err(|error| format!("failed to {error}")),
        }
    }
}

/// Signature algorithms that leave the server no choice of its certificate (RFC 8446, section 4.2.3).
const ECDSA: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512";
const RSA: &str = "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

impl TlsProber {
    /// Trusts the system's roots, and those in the files.
    ///
    /// # Errors
    /// When a file cannot be read or holds no certificate.
    pub fn new(ca_files: &[PathBuf]) -> Result<Self, TlsError> {
        let keyed = Keyed { ca_files: ca_files.to_vec(), ecdsa: OnceLock::new(), rsa: OnceLock::new() };
        Ok(Self { any: connector(ca_files, None)?, keyed: Arc::new(keyed) })
    }

    async fn connect(
        &self,
        mut stream: BoxedStream,
        endpoint: &Endpoint,
        alpn: Option<&[u8]>,
    ) -> Result<SslStream<BoxedStream>, String> {
        if let Some(protocol) = endpoint.starttls {
            upgrade(&mut stream, protocol, &endpoint.server_name).await?;
        }
        let words = |error: openssl::error::ErrorStack| error.to_string();
        let connector = match endpoint.key {
            None => &self.any,
            Some(algorithm) => self.keyed.get(algorithm)?,
        };
        let mut config = connector.configure().map_err(words)?;
        // The name is judged apart, so that a wrong one is not mistaken for a wrong chain.
        config.set_verify_hostname(false);
        if let Some(alpn) = alpn {
            config.set_alpn_protos(alpn).map_err(words)?;
        }
        let ssl = config.into_ssl(endpoint.server_name.as_str()).map_err(words)?;
        let mut stream = SslStream::new(ssl, stream).map_err(words)?;
        Pin::new(&mut stream).connect().await.map_err(|error| handshake_words(&error))?;
        Ok(stream)
    }
}

fn connector(ca_files: &[PathBuf], signatures: Option<&str>) -> Result<SslConnector, TlsError> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    // The handshake comes to its end whatever is served; what is wrong is read off afterwards.
    builder.set_verify(SslVerifyMode::NONE);
    // A resumed session would show the certificate of its first handshake, not today's.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::NO_TICKET);
    if let Some(signatures) = signatures {
        builder.set_sigalgs_list(signatures)?;
    }
    for path in ca_files {
        trust(&mut builder, path)?;
    }
    Ok(builder.build())
}

fn trust(builder: &mut SslContextBuilder, path: &Path) -> Result<(), TlsError> {
    let text = std::fs::read(path).map_err(|source| TlsError::Roots { path: path.to_owned(), source })?;
    let roots = X509::stack_from_pem(&text)?;
    if roots.is_empty() {
        return Err(TlsError::NoRoots { path: path.to_owned() });
    }
    for root in roots {
        builder.cert_store_mut().add_cert(root)?;
    }
    Ok(())
}

fn handshake_words(error: &openssl::ssl::Error) -> String {
    match error.ssl_error().and_then(|stack| stack.errors().first()) {
        Some(first) => first.reason().unwrap_or("TLS failed").to_owned(),
        None => match error.io_error() {
            Some(error) => error.to_string(),
            None => "the connection was closed in the middle of the handshake".to_owned(),
        },
    }
}

fn served(ssl: &SslRef, took: Duration) -> Served {
    let chain = ssl.peer_cert_chain();
    let chain = chain.map(|chain| chain.iter().filter_map(|one| one.to_der().ok()).collect());
    let trust = match ssl.verify_result() {
        X509VerifyResult::OK => Ok(()),
        error => Err(error.error_string().to_owned()),
    };
    Served { chain: chain.unwrap_or_default(), trust, protocol: ssl.version_str().to_owned(), took }
}

impl Prober for TlsProber {
    type Held = HeldConnection;

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<BoxedStream, String> {
        match timeout(deadline, TcpStream::connect((address, port))).await {
            Ok(Ok(stream)) => {
                // Without delay or not, a probe goes through; so what the kernel says to this is no matter.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {} ms", deadline.as_millis())),
        }
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        // The port does not matter to the resolver.
        let found = tokio::net::lookup_host((name, 0)).await.map_err(|error| error.to_string())?;
        let mut addresses: Vec<IpAddr> = found.map(|one| one.ip()).collect();
        let mut seen = std::collections::HashSet::new();
        addresses.retain(|address| seen.insert(*address));
        Ok(addresses)
    }

    async fn handshake(&self, stream: BoxedStream, endpoint: &Endpoint, deadline: Duration) -> Observation {
        let start = Instant::now();
        match timeout(deadline, self.connect(stream, endpoint, None)).await {
            Ok(Ok(mut stream)) => {
                let served = served(stream.ssl(), start.elapsed());
                // A goodbye (RFC 8446, section 6.1), so that the server does not log a broken connection.
                let _ = timeout(Duration::from_millis(200), stream.shutdown()).await;
                Observation::Served(served)
            }
            Ok(Err(reason)) => Observation::NotTls(reason),
            Err(_) => Observation::Unreachable(format!("no handshake within {} ms", deadline.as_millis())),
        }
    }

    async fn converse(
        &self,
        stream: BoxedStream,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> Conversation<HeldConnection> {
        let asked = async {
            match self.connect(stream, endpoint, Some(b"\x08http/1.1")).await {
                Ok(stream) => HeldConnection::converse(stream, &endpoint.server_name).await,
                Err(_) => Conversation::None,
            }
        };
        timeout(deadline, asked).await.unwrap_or(Conversation::None)
    }

    async fn hold(
        &self,
        stream: BoxedStream,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> Option<HeldConnection> {
        let asked = async {
            let stream = self.connect(stream, endpoint, Some(b"\x08http/1.1")).await.ok()?;
            HeldConnection::ask(stream, &endpoint.server_name).await.ok()
        };
        timeout(deadline, asked).await.ok().flatten()
    }
}
