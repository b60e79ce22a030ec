//! Servers in the tests' own process that do not take every client, and what a prober makes of them.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use openssl::ssl::{
    AlpnError, Ssl, SslContext, SslContextBuilder, SslVerifyMode, SslVersion, select_next_proto,
};
use openssl::x509::X509;
use tokio::io::AsyncReadExt;
use tokio_openssl::SslStream;

use crate::certificate::ClientIdentity;
use crate::lab::Authority;
use crate::model::Secret;
use crate::ports::{Conversation, Prober};
use crate::tls::TlsProber;
use crate::tls::testing::{Issued, PATIENCE, Server, look, refused, served, serving, trusting, up_to};
use crate::verify::{ClientCertificate, ClientDemand, ClientSettings, Endpoint, Observation, ProxyProtocol};

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

fn with(server: &Server, change: impl FnOnce(&mut ClientSettings)) -> Endpoint {
    server.endpoint().with_client(change)
}

/// What the listener wants.
async fn demand(prober: &TlsProber, endpoint: &Endpoint) -> ClientDemand {
    match look(prober, endpoint).await {
        Observation::Refused { demand, .. } => demand,
        other => panic!("{other:?}"),
    }
}

fn files() -> ClientCertificate {
    ClientCertificate { certificate: "probe.pem".into(), key: "probe.key".into() }
}

/// A prober that trusts that root, and shows that certificate where it is asked.
fn showing(root: &Authority, (chain, key): &Issued) -> TlsProber {
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, root.root_pem().unwrap()).unwrap();
    let identity = ClientIdentity::prove(chain, &Secret::new(key.clone()), None).unwrap();
    TlsProber::with_identities(&[roots], HashMap::from([(files(), identity)])).unwrap()
}

/// Clients have to show a certificate of this CA.
fn asking(clients: &Authority) -> impl Fn(&mut SslContextBuilder) {
    let root = X509::from_pem(&clients.root_pem().unwrap()).unwrap();
    move |context| {
        context.cert_store_mut().add_cert(root.clone()).unwrap();
        context.add_client_ca(&root).unwrap();
        context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_is_shown_the_one_that_was_read() {
    let (ours, clients) = (Authority::new("ours").unwrap(), Authority::new("clients").unwrap());
    let issued = ours.issue(&["a.test"], -1, 30).unwrap();
    let probe = clients.issue(&["probe.test"], -1, 30).unwrap();
    let strange = Authority::new("other").unwrap().issue(&["probe.test"], -1, 30).unwrap();
    let rsa = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let of_rsa =
        (clients.certify(&rsa, &["probe.test"], -1, 30).unwrap(), rsa.private_key_to_pem_pkcs8().unwrap());
    let curve = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::SECP521R1).unwrap();
    let p521 = openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&curve).unwrap()).unwrap();
    let of_p521 =
        (clients.certify(&p521, &["probe.test"], -1, 30).unwrap(), p521.private_key_to_pem_pkcs8().unwrap());
    for version in VERSIONS {
        let context = || {
            serving(&[&issued], |context| {
                asking(&clients)(context);
                up_to(version)(context);
            })
        };
        let server = Server::openssl(vec![context()]).await;
        let showing_one = with(&server, |client| client.client_certificate = Some(files()));
        // rustls does not sign on the last curve: OpenSSL does.
        for identity in [&probe, &of_rsa, &of_p521] {
            let prober = showing(&ours, identity);
            assert_eq!(served(&prober, &showing_one).await.trust, Ok(()));
            let dial = || prober.dial(&showing_one.address, showing_one.port, PATIENCE);
            let (_, conversation) = prober.converse(dial, &showing_one, PATIENCE).await;
            assert!(matches!(conversation, Conversation::Held(_)), "it takes no request");
        }
        let without = trusting(&ours.root_pem().unwrap());
        if version == SslVersion::TLS1_2 {
            let came = server.came();
            let asked = demand(&without, &server.endpoint()).await;
            assert_eq!(asked, ClientDemand::ClientCertificate);
            assert_eq!(server.came(), came + 1, "what it wants is known from one handshake");
            let refused = demand(&showing(&ours, &strange), &showing_one).await;
            assert_eq!(refused, ClientDemand::OtherClientCertificate);
        } else {
            // The server's certificate was seen before it looks at the client's (RFC 8446, section 4.4.2).
            assert_eq!(served(&without, &server.endpoint()).await.trust, Ok(()));
            assert_eq!(served(&showing(&ours, &strange), &showing_one).await.trust, Ok(()));
        }
    }
}

#[tokio::test]
async fn a_server_that_only_asks_and_one_that_fails_otherwise_want_no_certificate() {
    let (ours, clients) = (Authority::new("ours").unwrap(), Authority::new("clients").unwrap());
    let issued = ours.issue(&["a.test"], -1, 30).unwrap();
    let prober = trusting(&ours.root_pem().unwrap());
    let optional = serving(&[&issued], |context| {
        asking(&clients)(context);
        context.set_verify(SslVerifyMode::PEER);
        up_to(SslVersion::TLS1_2)(context);
    });
    let server = Server::openssl(vec![optional]).await;
    assert_eq!(served(&prober, &server.endpoint()).await.trust, Ok(()));
    let server = Server::saying(&[21, 3, 3, 0, 2, 2, 40]).await;
    assert_eq!(refused(&prober, &server.endpoint()).await, "TLS alert: handshake failure");
}

/// A client has to offer this protocol.
fn taking(context: &mut SslContextBuilder) {
    context.set_alpn_select_callback(|_, offered| {
        let chosen = select_next_proto(b"\x0bxmpp-client", offered);
        chosen.filter(|one| *one == b"xmpp-client").ok_or(AlpnError::ALERT_FATAL)
    });
}

#[tokio::test]
async fn a_server_that_takes_one_protocol_is_offered_what_was_given() {
    let ours = Authority::new("ours").unwrap();
    let issued = ours.issue(&["a.test"], -1, 30).unwrap();
    let prober = trusting(&ours.root_pem().unwrap());
    let offering = |server: &Server, protocols: &[&str]| {
        with(server, |client| client.alpn = protocols.iter().map(|one| (*one).to_owned()).collect())
    };
    for version in VERSIONS {
        let context = || {
            serving(&[&issued], |context| {
                taking(context);
                up_to(version)(context);
            })
        };
        let server = Server::openssl(vec![context()]).await;
        for protocols in [&["xmpp-client"][..], &["h2", "xmpp-client"]] {
            assert_eq!(served(&prober, &offering(&server, protocols)).await.trust, Ok(()));
        }
        let other = offering(&server, &["h2", "http/1.1"]);
        assert_eq!(demand(&prober, &other).await, ClientDemand::OtherAlpn);
    }
    let server = Server::saying(&[21, 3, 3, 0, 2, 2, 120]).await;
    assert_eq!(demand(&prober, &server.endpoint()).await, ClientDemand::Alpn);
    // OpenSSL offers the same, to a server that rustls does not fit.
    let rsa = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let of_rsa = (ours.certify(&rsa, &["a.test"], -1, 30).unwrap(), rsa.private_key_to_pem_pkcs8().unwrap());
    let old = serving(&[&of_rsa], |context| {
        taking(context);
        up_to(SslVersion::TLS1_2)(context);
        context.set_cipher_list("AES128-SHA").unwrap();
    });
    let server = Server::openssl(vec![old]).await;
    assert_eq!(served(&prober, &offering(&server, &["h2", "xmpp-client"])).await.trust, Ok(()));
    assert_eq!(demand(&prober, &offering(&server, &["h2"])).await, ClientDemand::OtherAlpn);
}

/// Wants this header, then answers with TLS, or by SMTP first.
async fn behind_a_proxy(header: &'static [u8], context: SslContext, greeting: bool) -> Server {
    Server::start(move |mut stream, _| {
        let ssl = Ssl::new(&context).unwrap();
        async move {
            let mut came = vec![0; header.len()];
            if stream.read_exact(&mut came).await.is_err() || came != header {
                return;
            }
            if greeting {
                use tokio::io::AsyncWriteExt;
                stream.write_all(b"220 mail\r\n").await.unwrap();
                for (question, answer) in
                    [("EHLO", "250-mail\r\n250 STARTTLS\r\n"), ("STARTTLS", "220 go\r\n")]
                {
                    let mut said = [0; 256];
                    let read = stream.read(&mut said).await.unwrap();
                    assert!(said[..read].starts_with(question.as_bytes()));
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            let mut stream = SslStream::new(ssl, stream).unwrap();
            let _ = Pin::new(&mut stream).accept().await;
            let _ = stream.read(&mut [0; 64]).await;
        }
    })
    .await
}

#[tokio::test]
async fn the_header_of_the_proxy_protocol_comes_before_everything_else() {
    let ours = Authority::new("ours").unwrap();
    let issued = ours.issue(&["a.test"], -1, 30).unwrap();
    let prober = trusting(&ours.root_pem().unwrap());
    for version in ProxyProtocol::ALL {
        for greeting in [false, true] {
            let server = behind_a_proxy(version.header(), serving(&[&issued], |_| {}), greeting).await;
            let starttls = greeting.then_some(crate::verify::StartTls::Smtp);
            let plain = Endpoint { starttls, ..server.endpoint() };
            let endpoint = plain.with_client(|client| client.proxy_protocol = Some(version));
            assert_eq!(served(&prober, &endpoint).await.trust, Ok(()), "{version} {greeting}");
            let dial = || prober.dial(&plain.address, plain.port, PATIENCE);
            let without = prober.handshake(dial, &plain, Duration::from_millis(300)).await;
            assert!(!matches!(without, Observation::Served(_)), "{without:?}");
        }
    }
}

#[tokio::test]
async fn a_rate_is_kept_by_every_kind_of_handshake() {
    let ours = Authority::new("ours").unwrap();
    let issued = ours.issue(&["a.test"], -1, 30).unwrap();
    let prober = trusting(&ours.root_pem().unwrap());
    let server = Server::openssl(vec![serving(&[&issued], |_| {})]).await;
    let endpoint = with(&server, |client| client.rate = Some("10/s".parse().unwrap()));
    let (start, dial) = (Instant::now(), || prober.dial(&endpoint.address, endpoint.port, PATIENCE));
    served(&prober, &endpoint).await;
    assert!(matches!(prober.converse(dial, &endpoint, PATIENCE).await.0, Observation::Served(_)));
    assert!(prober.hold(dial, &endpoint, PATIENCE).await.is_some());
    // Clones are the same prober.
    served(&prober.clone(), &endpoint).await;
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    // A handshake with another library is one more.
    let old = serving(&[&issued], up_to(SslVersion::TLS1_1));
    let server = Server::openssl(vec![old]).await;
    let endpoint = with(&server, |client| client.rate = Some("10/s".parse().unwrap()));
    let start = Instant::now();
    look(&prober, &endpoint).await;
    assert!(server.came() == 2 && start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_burst_ends_where_a_listener_takes_no_more_and_an_accident_is_none() {
    let ours = Authority::new("ours").unwrap();
    let issued = ours.issue(&["a.test"], -1, 30).unwrap();
    let prober = trusting(&ours.root_pem().unwrap());
    let burst = async |server: &Server| {
        let endpoint = server.endpoint();
        prober.burst(|| prober.dial(&endpoint.address, endpoint.port, PATIENCE), &endpoint, PATIENCE).await
    };
    // Takes only those connections whose number fits.
    let taking = async |fits: fn(usize) -> bool| {
        let context = serving(&[&issued], |_| {});
        Server::start(move |stream, number| {
            let ssl = Ssl::new(&context).unwrap();
            async move {
                if fits(number) {
                    let mut stream = SslStream::new(ssl, stream).unwrap();
                    let _ = Pin::new(&mut stream).accept().await;
                    let _ = stream.read(&mut [0; 64]).await;
                }
            }
        })
        .await
    };
    let server = taking(|_| true).await;
    assert_eq!((burst(&server).await, server.came()), (None, 40));
    let ended = burst(&taking(|number| number < 20).await).await.unwrap();
    assert!(ended.made == 20 && ended.failed.failure().is_some(), "{ended:?}");
    assert!(burst(&taking(|number| number < 39).await).await.is_some());
    // Now and then one is lost.
    assert_eq!(burst(&taking(|number| number % 7 != 6).await).await, None);
}
