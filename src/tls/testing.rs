//! Servers in the tests' own process, that count who comes, and a look at them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslVersion};
use openssl::x509::X509;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;
use tokio_rustls::TlsAcceptor;

use crate::ports::Prober;
use crate::tls::TlsProber;
use crate::verify::{Endpoint, Observation, Served, Via};

/// For whatever is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A chain and its key, in PEM.
pub(super) type Issued = (Vec<u8>, Vec<u8>);

/// A server on a port of its own, for as long as it is kept.
pub(super) struct Server {
    address: SocketAddr,
    came: Arc<AtomicUsize>,
    resumed: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Deals with each connection, whose number it is told; the first has 0.
    pub(super) async fn start<F>(deal: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::from_std(own_port()).unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(AtomicUsize::new(0));
        let counted = came.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(deal(stream, counted.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, came, resumed: Arc::default(), task }
    }

    /// Waits for a client to speak, says that, and hangs up.
    pub(super) async fn saying(answer: &'static [u8]) -> Self {
        Self::start(async |mut stream, _| {
            stream.read_buf(&mut Vec::with_capacity(4096)).await.unwrap();
            stream.write_all(answer).await.unwrap();
        })
        .await
    }

    /// OpenSSL, which answers HTTP: each connection with the next of these contexts, and the last ever after.
    pub(super) async fn openssl(contexts: Vec<SslContext>) -> Self {
        let resumed = Arc::new(AtomicBool::new(false));
        let noted = resumed.clone();
        let mut server = Self::start(move |stream, number| {
            let ssl = Ssl::new(&contexts[number.min(contexts.len() - 1)]).unwrap();
            let noted = noted.clone();
            async move {
                let mut stream = SslStream::new(ssl, stream).unwrap();
                if Pin::new(&mut stream).accept().await.is_ok() {
                    noted.fetch_or(stream.ssl().session_reused(), Ordering::SeqCst);
                    answer(stream).await;
                }
            }
        })
        .await;
        server.resumed = resumed;
        server
    }

    /// So many connections were made.
    pub(super) fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    /// Whether any client of OpenSSL's server went on with an older session.
    pub(super) fn was_resumed(&self) -> bool {
        self.resumed.load(Ordering::SeqCst)
    }

    /// Where it is.
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address.ip().to_string(),
            port: self.address.port(),
            server_name: "a.test".parse().unwrap(),
            via: Via::Direct,
            key: None,
            starttls: None,
            client: None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that no later server gets. A prober remembers what it learned of an endpoint, and would take another server
/// on the same port for the one before it.
fn own_port() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    // Taken for as long as the tests run.
    std::mem::forget(listener.try_clone().unwrap());
    listener
}

/// Answers every request that ends.
async fn answer(mut stream: SslStream<TcpStream>) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    }
}

/// OpenSSL with these chains, as weak as it can be; of several it chooses by what the client offers.
pub(super) fn serving(issued: &[&Issued], set: impl FnOnce(&mut SslContextBuilder)) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
    context.set_security_level(0);
    context.set_cipher_list("ALL").unwrap();
    for (chain, key) in issued {
        let chain = X509::stack_from_pem(chain).unwrap();
        context.set_certificate(&chain[0]).unwrap();
        context.set_private_key(&PKey::private_key_from_pem(key).unwrap()).unwrap();
        chain.into_iter().skip(1).for_each(|one| context.add_extra_chain_cert(one).unwrap());
    }
    set(&mut context);
    context.build()
}

/// rustls, which does not mind whether key and chain fit, nor what is in the chain.
pub(super) fn acceptor(
    chain: Vec<Vec<u8>>,
    key: &PKey<Private>,
    version: &'static SupportedProtocolVersion,
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = key.private_key_to_pkcs8().unwrap().try_into().unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = Arc::new(CertifiedKey::new(chain.into_iter().map(Into::into).collect(), key));
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let config = config.with_no_client_auth().with_cert_resolver(Arc::new(Always(certified)));
    Arc::new(config).into()
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// That version and no later one.
pub(super) fn up_to(version: SslVersion) -> impl Fn(&mut SslContextBuilder) {
    move |context| context.set_max_proto_version(Some(version)).unwrap()
}

/// A prober that trusts that root.
pub(super) fn trusting(root_pem: &[u8]) -> TlsProber {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    std::fs::write(&file, root_pem).unwrap();
    TlsProber::new(&[file]).unwrap()
}

/// One handshake.
pub(super) async fn look(prober: &TlsProber, endpoint: &Endpoint) -> Observation {
    let dial = || prober.dial(&endpoint.address, endpoint.port, PATIENCE);
    prober.handshake(dial, endpoint, PATIENCE).await
}

/// One handshake that shows something.
pub(super) async fn served(prober: &TlsProber, endpoint: &Endpoint) -> Served {
    match look(prober, endpoint).await {
        Observation::Served(served) => served,
        other => panic!("{other:?}"),
    }
}

/// One handshake with a server that answers, but not with TLS.
pub(super) async fn refused(prober: &TlsProber, endpoint: &Endpoint) -> String {
    match look(prober, endpoint).await {
        Observation::NotTls(reason) => reason,
        other => panic!("{other:?}"),
    }
}
