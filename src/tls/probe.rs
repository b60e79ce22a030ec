//! One full handshake, and what it showed: with rustls, or with OpenSSL where rustls and a server do not fit.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::certificate::ClientIdentity;
use crate::ports::{BoxedStream, BurstEnd, Conversation, Dial, Prober};
use crate::tls::burst::Bursts;
use crate::tls::error::TlsError;
use crate::tls::handshake::{Handshake, HandshakeError, Shaken};
use crate::tls::held_request::{HeldConnection, KeptConnection};
use crate::tls::openssl::OpensslHandshakes;
use crate::tls::pace::Paces;
use crate::tls::roots::Roots;
use crate::tls::rustls::RustlsHandshakes;
use crate::tls::starttls::upgrade;
use crate::verify::{ClientCertificate, Endpoint, Observation, Served};

/// What is offered where a request is to follow.
const HTTP: Option<&[u8]> = Some(b"http/1.1");

/// Probes endpoints. Reading the system's roots takes 50 ms and more, so there is one for a whole rollout; clones
/// share it.
#[derive(Clone)]
pub struct TlsProber {
    roots: Arc<Roots>,
    rustls: RustlsHandshakes,
    openssl: OpensslHandshakes,
    /// Endpoints that rustls does not fit. Of another host's that looks the same nothing is lost: OpenSSL fits all.
    incompatible: Arc<Mutex<HashSet<Endpoint>>>,
    /// The turns at listeners that limit handshakes.
    paces: Paces,
    bursts: Bursts,
}

impl TlsProber {
    /// Trusts the system's roots, and those in the files.
    ///
    /// # Errors
    /// When a file cannot be read or holds no certificate.
    pub fn new(ca_files: &[PathBuf]) -> Result<Self, TlsError> {
        Self::with_identities(ca_files, HashMap::new())
    }

    /// The same, with what is shown to servers that ask for a client certificate.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_identities(
        ca_files: &[PathBuf],
        identities: HashMap<ClientCertificate, ClientIdentity>,
    ) -> Result<Self, TlsError> {
        let rustls = RustlsHandshakes::new(&identities)?;
        let openssl = OpensslHandshakes::new(identities)?;
        let roots = Arc::new(Roots::new(ca_files, openssl.level())?);
        let (incompatible, paces, bursts) = (Arc::default(), Paces::default(), Bursts::default());
        Ok(Self { roots, rustls, openssl, incompatible, paces, bursts })
    }

    /// Whether a chain in DER, leaf first, leads to a trusted root.
    ///
    /// # Errors
    /// With OpenSSL's reason where it does not.
    pub fn trusts(&self, chain: &[Vec<u8>]) -> Result<(), String> {
        self.roots.judge(chain)
    }

    fn served(
        &self,
        chain: Vec<Vec<u8>>,
        staple: Option<Vec<u8>>,
        protocol: String,
        took: Duration,
    ) -> Observation {
        Observation::Served(Served { trust: self.roots.judge(&chain), chain, staple, protocol, took })
    }

    fn incompatible(&self) -> MutexGuard<'_, HashSet<Endpoint>> {
        self.incompatible.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection after its handshake, and how long that took.
    async fn connect(
        &self,
        dial: &impl Dial,
        endpoint: &Endpoint,
        protocol: Option<&[u8]>,
        deadline: Duration,
    ) -> Result<(Shaken, Duration), HandshakeError> {
        if !self.incompatible().contains(endpoint) {
            match self.shake(&self.rustls, dial, endpoint, protocol, deadline).await {
                Err(HandshakeError::Incompatible(reason)) => {
                    tracing::debug!(%endpoint, reason, "OpenSSL shakes hands from now on");
                    self.incompatible().insert(endpoint.clone());
                }
                ended => return ended,
            }
        }
        self.shake(&self.openssl, dial, endpoint, protocol, deadline).await
    }

    async fn shake(
        &self,
        library: &impl Handshake,
        dial: &impl Dial,
        endpoint: &Endpoint,
        protocol: Option<&[u8]>,
        deadline: Duration,
    ) -> Result<(Shaken, Duration), HandshakeError> {
        let unreachable = |reason| HandshakeError::Failed(Observation::Unreachable(reason));
        let turn = self.paces.turn(endpoint).await;
        let mut stream = dial().await.map_err(unreachable)?;
        let start = Instant::now();
        let shaken = async {
            if let Some(version) = endpoint.proxy_protocol() {
                let sent = stream.write_all(version.header()).await;
                sent.map_err(|error| HandshakeError::not_tls(error.to_string()))?;
            }
            if let Some(protocol) = endpoint.starttls {
                upgrade(&mut stream, protocol, &endpoint.server_name)
                    .await
                    .map_err(HandshakeError::not_tls)?;
            }
            let shaken = library.shake(stream, endpoint, protocol).await?;
            Ok((Shaken { turn, ..shaken }, start.elapsed()))
        };
        let late = || unreachable(format!("no handshake within {} ms", deadline.as_millis()));
        timeout(deadline, shaken).await.unwrap_or_else(|_| Err(late()))
    }
}

impl Prober for TlsProber {
    type Held = HeldConnection;
    type Idle = KeptConnection;

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
        let mut seen = HashSet::new();
        addresses.retain(|address| seen.insert(*address));
        Ok(addresses)
    }

    async fn handshake(&self, dial: impl Dial, endpoint: &Endpoint, deadline: Duration) -> Observation {
        let (Shaken { mut stream, chain, staple, version, turn: _turn }, took) =
            match self.connect(&dial, endpoint, None, deadline).await {
                Ok(shaken) => shaken,
                Err(failure) => return failure.into(),
            };
        let served = self.served(chain, staple, version, took);
        // A goodbye (RFC 8446, section 6.1), so that the server does not log a broken connection.
        let _ = timeout(Duration::from_millis(200), stream.shutdown()).await;
        served
    }

    async fn burst(&self, dial: impl Dial, endpoint: &Endpoint, deadline: Duration) -> Option<BurstEnd> {
        self.bursts.run(self, dial, endpoint, deadline).await
    }

    async fn converse(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> (Observation, Conversation<HeldConnection>) {
        let (Shaken { stream, chain, staple, version, turn: _turn }, took) =
            match self.connect(&dial, endpoint, HTTP, deadline).await {
                Ok(shaken) => shaken,
                Err(failure) => return (failure.into(), Conversation::None),
            };
        let asked = HeldConnection::converse(stream, &endpoint.server_name);
        let conversation = timeout(deadline, asked).await.unwrap_or(Conversation::None);
        (self.served(chain, staple, version, took), conversation)
    }

    async fn keep(&self, dial: impl Dial, endpoint: &Endpoint, deadline: Duration) -> Option<KeptConnection> {
        let (shaken, _) = self.connect(&dial, endpoint, HTTP, deadline).await.ok()?;
        let asked = KeptConnection::after_one(shaken.stream, &endpoint.server_name);
        timeout(deadline, asked).await.ok()?
    }

    async fn hold(&self, dial: impl Dial, endpoint: &Endpoint, deadline: Duration) -> Option<HeldConnection> {
        let (shaken, _) = self.connect(&dial, endpoint, HTTP, deadline).await.ok()?;
        let asked = HeldConnection::ask(shaken.stream, &endpoint.server_name);
        timeout(deadline, asked).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests;
