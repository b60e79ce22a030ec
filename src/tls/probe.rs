//! One full handshake, and what it showed: with rustls, or with OpenSSL where rustls and a server do not fit.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ports::{BoxedStream, Conversation, Dial, Prober};
use crate::tls::error::TlsError;
use crate::tls::handshake::{Handshake, HandshakeError, Shaken};
use crate::tls::held_request::HeldConnection;
use crate::tls::openssl::OpensslHandshakes;
use crate::tls::roots::Roots;
use crate::tls::rustls::RustlsHandshakes;
use crate::tls::starttls::upgrade;
use crate::verify::{Endpoint, Observation, Served};

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
}

impl TlsProber {
    /// Trusts the system's roots, and those in the files.
    ///
    /// # Errors
    /// When a file cannot be read or holds no certificate.
    pub fn new(ca_files: &[PathBuf]) -> Result<Self, TlsError> {
        let openssl = OpensslHandshakes::new()?;
        let roots = Arc::new(Roots::new(ca_files, openssl.level())?);
        Ok(Self { roots, rustls: RustlsHandshakes::new()?, openssl, incompatible: Arc::default() })
    }

    /// Whether a chain in DER, leaf first, leads to a trusted root.
    ///
    /// # Errors
    /// With OpenSSL's reason where it does not.
    pub fn trusts(&self, chain: &[Vec<u8>]) -> Result<(), String> {
        self.roots.judge(chain)
    }

    fn served(&self, chain: Vec<Vec<u8>>, protocol: String, took: Duration) -> Observation {
        Observation::Served(Served { trust: self.roots.judge(&chain), chain, protocol, took })
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
            match shake(&self.rustls, dial, endpoint, protocol, deadline).await {
                Err(HandshakeError::Incompatible(reason)) => {
                    tracing::debug!(%endpoint, reason, "OpenSSL shakes hands from now on");
                    self.incompatible().insert(endpoint.clone());
                }
                ended => return ended,
            }
        }
        shake(&self.openssl, dial, endpoint, protocol, deadline).await
    }
}

async fn shake(
    library: &impl Handshake,
    dial: &impl Dial,
    endpoint: &Endpoint,
    protocol: Option<&[u8]>,
    deadline: Duration,
) -> Result<(Shaken, Duration), HandshakeError> {
    let unreachable = |reason| HandshakeError::Failed(Observation::Unreachable(reason));
    let mut stream = dial().await.map_err(unreachable)?;
    let start = Instant::now();
    let shaken = async {
        if let Some(protocol) = endpoint.starttls {
            upgrade(&mut stream, protocol, &endpoint.server_name).await.map_err(HandshakeError::not_tls)?;
        }
        let shaken = library.shake(stream, endpoint, protocol).await?;
        Ok((shaken, start.elapsed()))
    };
    let late = || unreachable(format!("no handshake within {} ms", deadline.as_millis()));
    timeout(deadline, shaken).await.unwrap_or_else(|_| Err(late()))
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
        let mut seen = HashSet::new();
        addresses.retain(|address| seen.insert(*address));
        Ok(addresses)
    }

    async fn handshake(&self, dial: impl Dial, endpoint: &Endpoint, deadline: Duration) -> Observation {
        let (Shaken { mut stream, chain, version }, took) =
            match self.connect(&dial, endpoint, None, deadline).await {
                Ok(shaken) => shaken,
                Err(failure) => return failure.into(),
            };
        let served = self.served(chain, version, took);
        // A goodbye (RFC 8446, section 6.1), so that the server does not log a broken connection.
        let _ = timeout(Duration::from_millis(200), stream.shutdown()).await;
        served
    }

    async fn converse(
        &self,
        dial: impl Dial,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> (Observation, Conversation<HeldConnection>) {
        let (Shaken { stream, chain, version }, took) =
            match self.connect(&dial, endpoint, HTTP, deadline).await {
                Ok(shaken) => shaken,
                Err(failure) => return (failure.into(), Conversation::None),
            };
        let asked = HeldConnection::converse(stream, &endpoint.server_name);
        let conversation = timeout(deadline, asked).await.unwrap_or(Conversation::None);
        (self.served(chain, version, took), conversation)
    }

    async fn hold(&self, dial: impl Dial, endpoint: &Endpoint, deadline: Duration) -> Option<HeldConnection> {
        let (shaken, _) = self.connect(&dial, endpoint, HTTP, deadline).await.ok()?;
        let asked = HeldConnection::ask(shaken.stream, &endpoint.server_name);
        timeout(deadline, asked).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::ssl::{SslContextBuilder, SslOptions, SslVersion};
    use openssl::x509::X509;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::certificate::KeyAlgorithm;
    use crate::lab::Authority;
    use crate::ports::HeldRequest;
    use crate::tls::testing::{Issued, PATIENCE, Server, acceptor, served, serving, trusting, up_to};
    use crate::verify::HeldOutcome;

    fn rsa(bits: u32) -> PKey<Private> {
        PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
    }

    fn curve(name: Nid) -> PKey<Private> {
        PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(name).unwrap()).unwrap()).unwrap()
    }

    fn of_key(authority: &Authority, key: &PKey<Private>) -> Issued {
        let chain = authority.certify(key, &["a.test"], -1, 30).unwrap();
        (chain, key.private_key_to_pem_pkcs8().unwrap())
    }

    fn der(issued: &Issued) -> Vec<Vec<u8>> {
        let chain = X509::stack_from_pem(&issued.0).unwrap();
        chain.iter().map(|one| one.to_der().unwrap()).collect()
    }

    fn old_suite(name: &'static str) -> impl Fn(&mut SslContextBuilder) {
        move |context| {
            up_to(SslVersion::TLS1_2)(context);
            context.set_cipher_list(name).unwrap();
        }
    }

    const VERSIONS: [(SslVersion, &str); 2] =
        [(SslVersion::TLS1_2, "TLSv1.2"), (SslVersion::TLS1_3, "TLSv1.3")];

    #[tokio::test]
    async fn whatever_is_served_is_seen_in_one_connection() {
        let (ours, other) = (Authority::new("ours").unwrap(), Authority::new("other").unwrap());
        let prober = trusting(&ours.root_pem().unwrap());
        let good = ours.issue(&["a.test"], -1, 30).unwrap();
        let strange = other.issue(&["a.test"], -1, 30).unwrap();
        // With its root, and with a certificate that does not belong there.
        let root = other.root_pem().unwrap();
        let odd = ([&strange.0[..], &root, &good.0].concat(), strange.1.clone());
        let kinds = [
            (good, Ok(())),
            (ours.issue(&["a.test"], -30, -1).unwrap(), Err("certificate has expired")),
            (strange, Err("unable to get local issuer certificate")),
            (odd, Err("self-signed certificate in certificate chain")),
            (of_key(&ours, &rsa(2048)), Ok(())),
            (of_key(&ours, &rsa(1024)), Err("EE certificate key too weak")),
            (of_key(&ours, &curve(Nid::SECP384R1)), Ok(())),
            (of_key(&ours, &PKey::generate_ed25519().unwrap()), Ok(())),
        ];
        for (issued, trust) in kinds {
            for (version, name) in VERSIONS {
                let server = Server::openssl(vec![serving(&[&issued], up_to(version))]).await;
                let seen = served(&prober, &server.endpoint()).await;
                assert_eq!((seen.chain, seen.protocol.as_str()), (der(&issued), name));
                assert_eq!(seen.trust, trust.map_err(str::to_owned));
                assert_eq!(server.came(), 1);
            }
        }
    }

    #[tokio::test]
    async fn an_old_or_odd_server_is_seen_by_openssl_then_and_from_then_on() {
        let authority = Authority::new("ours").unwrap();
        let prober = trusting(&authority.root_pem().unwrap());
        let plain = of_key(&authority, &rsa(2048));
        let large = of_key(&authority, &curve(Nid::SECP521R1));
        for (context, version) in [
            (serving(&[&plain], old_suite("ECDHE-RSA-AES128-SHA256")), "TLSv1.2"),
            (serving(&[&plain], old_suite("AES128-GCM-SHA256")), "TLSv1.2"),
            (serving(&[&large], up_to(SslVersion::TLS1_2)), "TLSv1.2"),
            (serving(&[&large], |_| {}), "TLSv1.3"),
        ] {
            let server = Server::openssl(vec![context]).await;
            for came in [2, 3] {
                let seen = served(&prober, &server.endpoint()).await;
                assert_eq!((seen.trust, seen.protocol.as_str()), (Ok(()), version));
                assert_eq!(server.came(), came);
            }
            // Asked for otherwise it is another endpoint.
            let named = Endpoint { server_name: "b.test".parse().unwrap(), ..server.endpoint() };
            served(&prober.clone(), &named).await;
            assert_eq!(server.came(), 5);
        }
    }

    #[tokio::test]
    async fn of_two_certificates_the_one_asked_for_is_seen() {
        let authority = Authority::new("ours").unwrap();
        let prober = trusting(&authority.root_pem().unwrap());
        let (ecdsa, rsa) = (authority.issue(&["a.test"], -1, 30).unwrap(), of_key(&authority, &rsa(2048)));
        for (version, name) in VERSIONS {
            let liking_rsa = serving(&[&ecdsa, &rsa], |context| {
                up_to(version)(context);
                context.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
                context.set_cipher_list("aRSA:aECDSA").unwrap();
                context.set_sigalgs_list("RSA-PSS+SHA256:ECDSA+SHA256").unwrap();
            });
            for (context, liked) in [(serving(&[&ecdsa, &rsa], up_to(version)), &ecdsa), (liking_rsa, &rsa)] {
                let server = Server::openssl(vec![context]).await;
                for (key, expected) in
                    [(None, liked), (Some(KeyAlgorithm::Ecdsa), &ecdsa), (Some(KeyAlgorithm::Rsa), &rsa)]
                {
                    let seen = served(&prober, &Endpoint { key, ..server.endpoint() }).await;
                    assert_eq!((seen.chain, seen.protocol.as_str()), (der(expected), name));
                }
                assert_eq!(server.came(), 3);
            }
        }
    }

    #[tokio::test]
    async fn a_certificate_that_changes_is_seen_at_once() {
        let authority = Authority::new("ours").unwrap();
        let prober = trusting(&authority.root_pem().unwrap());
        let key = rsa(2048);
        let [before, after] = [(); 2].map(|()| of_key(&authority, &key));
        for set in [old_suite("ALL"), old_suite("AES128-GCM-SHA256")] {
            let server = Server::openssl(vec![serving(&[&before], &set), serving(&[&after], &set)]).await;
            // The first one may need two connections.
            served(&prober, &server.endpoint()).await;
            assert_eq!(served(&prober, &server.endpoint()).await.chain, der(&after));
        }
        for set in [old_suite("ALL"), old_suite("AES128-GCM-SHA256")] {
            let server = Server::openssl(vec![serving(&[&before], &set)]).await;
            for _ in 0..3 {
                served(&prober, &server.endpoint()).await;
            }
            assert!(!server.was_resumed());
        }
    }

    #[tokio::test]
    async fn an_address_is_not_sent_as_a_name() {
        let authority = Authority::new("ours").unwrap();
        let prober = trusting(&authority.root_pem().unwrap());
        let issued = of_key(&authority, &rsa(2048));
        for set in [old_suite("ALL"), old_suite("AES128-GCM-SHA256")] {
            let context = serving(&[&issued], |context| {
                set(context);
                context.set_servername_callback(|ssl, _| {
                    assert_eq!(ssl.servername(openssl::ssl::NameType::HOST_NAME), None);
                    Ok(())
                });
            });
            let server = Server::openssl(vec![context]).await;
            served(&prober, &Endpoint { server_name: "0.0.0.0".parse().unwrap(), ..server.endpoint() }).await;
        }
    }

    #[tokio::test]
    async fn a_request_is_held_with_either_library() {
        let authority = Authority::new("ours").unwrap();
        let prober = trusting(&authority.root_pem().unwrap());
        let issued = of_key(&authority, &rsa(2048));
        for (set, came) in [(old_suite("ALL"), 2), (old_suite("AES128-GCM-SHA256"), 3)] {
            let context = serving(&[&issued], |context| {
                set(context);
                context.set_alpn_select_callback(|_, offered| {
                    assert_eq!(offered, b"\x08http/1.1");
                    Ok(&offered[1..])
                });
            });
            let server = Server::openssl(vec![context]).await;
            let endpoint = server.endpoint();
            let dial = || prober.dial(&endpoint.address, endpoint.port, PATIENCE);
            let (_, Conversation::Held(first)) = prober.converse(dial, &endpoint, PATIENCE).await else {
                panic!("nothing is held");
            };
            let second = prober.hold(dial, &endpoint, PATIENCE).await.unwrap();
            assert_eq!(first.finish(PATIENCE).await, HeldOutcome::Answered);
            assert_eq!(second.finish(PATIENCE).await, HeldOutcome::Answered);
            assert_eq!(server.came(), came);
        }
    }

    #[tokio::test]
    async fn a_request_that_is_held_can_be_cut() {
        let authority = Authority::new("ours").unwrap();
        let prober = trusting(&authority.root_pem().unwrap());
        let issued = authority.issue(&["a.test"], -1, 30).unwrap();
        let key = PKey::private_key_from_pem(&issued.1).unwrap();
        let acceptor = acceptor(der(&issued), &key, &rustls::version::TLS13);
        let server = Server::start(move |stream, number| {
            let accepting = acceptor.accept(stream);
            async move {
                let mut stream = accepting.await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut request).await.unwrap();
                }
                // With a goodbye, and without one.
                if number == 0 {
                    stream.shutdown().await.unwrap();
                }
            }
        })
        .await;
        let endpoint = server.endpoint();
        let dial = || prober.dial(&endpoint.address, endpoint.port, PATIENCE);
        for _ in 0..2 {
            let held = prober.hold(dial, &endpoint, PATIENCE).await.unwrap();
            assert_eq!(held.finish(PATIENCE).await, HeldOutcome::Cut("early eof".to_owned()));
        }
    }

    #[tokio::test]
    async fn it_says_goodbye() {
        let authority = Authority::new("ours").unwrap();
        let prober = trusting(&authority.root_pem().unwrap());
        let issued = authority.issue(&["a.test"], -1, 30).unwrap();
        let key = PKey::private_key_from_pem(&issued.1).unwrap();
        let acceptor = acceptor(der(&issued), &key, &rustls::version::TLS13);
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::start(move |stream, _| {
            let (accepting, sender) = (acceptor.accept(stream), sender.clone());
            async move {
                // rustls calls an end without a goodbye an error.
                let read = accepting.await.unwrap().read_to_end(&mut Vec::new()).await;
                sender.send(read.map_err(|error| error.to_string())).unwrap();
            }
        })
        .await;
        served(&prober, &server.endpoint()).await;
        assert_eq!(receiver.recv().await, Some(Ok(0)));
    }
}
