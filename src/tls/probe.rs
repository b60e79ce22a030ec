//! One full handshake, and what it showed.

use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::ssl::{
    Ssl, SslContext, SslMethod, SslMode, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::held::HeldConnection;
use super::roots::Roots;
use super::starttls::upgrade;
use crate::certificate::KeyAlgorithm;
use crate::engine::ports::{BoxedStream, Conversation, Prober};
use crate::verify::{Endpoint, Observation, Served};

/// What is offered up to TLS 1.2: all that OpenSSL calls fit, but for what would show no certificate.
const CIPHERS: &str = "DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK";

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
    OpenSsl(#[from] ErrorStack),
}

/// Probes endpoints. Reading the system's roots takes 50 ms and more, so there is one for a whole rollout; clones
/// share it.
#[derive(Clone)]
pub struct TlsProber {
    roots: Arc<Roots>,
    /// For each choice of [`Endpoint::key`].
    any: SslContext,
    ecdsa: SslContext,
    rsa: SslContext,
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
        let any = context(None)?;
        let roots = Arc::new(Roots::new(ca_files, any.security_level())?);
        Ok(Self { roots, any, ecdsa: context(Some(ECDSA))?, rsa: context(Some(RSA))? })
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
        let words = |error: ErrorStack| error.to_string();
        let context = match endpoint.key {
            None => &self.any,
            Some(KeyAlgorithm::Ecdsa) => &self.ecdsa,
            Some(KeyAlgorithm::Rsa) => &self.rsa,
        };
        let mut ssl = Ssl::new(context).map_err(words)?;
        ssl.set_hostname(endpoint.server_name.as_str()).map_err(words)?;
        if let Some(alpn) = alpn {
            ssl.set_alpn_protos(alpn).map_err(words)?;
        }
        let mut stream = SslStream::new(ssl, stream).map_err(words)?;
        Pin::new(&mut stream).connect().await.map_err(|error| handshake_words(&error))?;
        Ok(stream)
    }
}

fn context(signatures: Option<&str>) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    // The handshake comes to its end whatever is served; what is wrong is read off afterwards, and so is whether the
    // chain is trusted: here no root is known.
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_cipher_list(CIPHERS)?;
    builder.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::ENABLE_PARTIAL_WRITE
            // A connection with a request in flight is kept for as long as its host is switched.
            | SslMode::RELEASE_BUFFERS,
    );
    // A resumed session would show the certificate of its first handshake, not today's.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::ALL | SslOptions::NO_COMPRESSION | SslOptions::NO_TICKET);
    if let Some(signatures) = signatures {
        builder.set_sigalgs_list(signatures)?;
    }
    Ok(builder.build())
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

fn served(ssl: &SslRef, roots: &Roots, took: Duration) -> Served {
    let protocol = ssl.version_str().to_owned();
    let Some(sent) = ssl.peer_cert_chain() else {
        return Served {
            chain: Vec::new(),
            trust: Err("no certificate was sent".to_owned()),
            protocol,
            took,
        };
    };
    let chain: Vec<Vec<u8>> = sent.iter().filter_map(|one| one.to_der().ok()).collect();
    Served { trust: roots.judge(sent, &chain), chain, protocol, took }
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
                let served = served(stream.ssl(), &self.roots, start.elapsed());
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
