//! Handshakes with servers in the tests' own process.

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{AlpnError, NameType, SslContextBuilder, SslOptions, SslVersion};
use openssl::x509::X509;
use tokio::io::AsyncReadExt;

use super::*;
use crate::certificate::KeyAlgorithm;
use crate::lab::Authority;
use crate::ports::HeldRequest;
use crate::tls::testing::{Issued, PATIENCE, Server, acceptor, refused, served, serving, trusting, up_to};
use crate::verify::{HeldOutcome, StartTls};

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

const VERSIONS: [(SslVersion, &str); 2] = [(SslVersion::TLS1_2, "TLSv1.2"), (SslVersion::TLS1_3, "TLSv1.3")];

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
async fn a_name_is_sent_and_an_address_is_not() {
    let authority = Authority::new("ours").unwrap();
    let prober = trusting(&authority.root_pem().unwrap());
    let issued = of_key(&authority, &rsa(2048));
    for set in [old_suite("ALL"), old_suite("AES128-GCM-SHA256")] {
        for (name, sent) in [("0.0.0.0", None), ("a.test", Some("a.test".to_owned()))] {
            let (sender, receiver) = std::sync::mpsc::channel();
            let context = serving(&[&issued], |context| {
                set(context);
                context.set_servername_callback(move |ssl, _| {
                    sender.send(ssl.servername(NameType::HOST_NAME).map(str::to_owned)).unwrap();
                    Ok(())
                });
            });
            let server = Server::openssl(vec![context]).await;
            served(&prober, &Endpoint { server_name: name.parse().unwrap(), ..server.endpoint() }).await;
            let asked: Vec<_> = receiver.try_iter().collect();
            assert!(!asked.is_empty() && asked.iter().all(|one| *one == sent), "{asked:?}");
        }
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
            context.set_alpn_select_callback(|_, offered| match offered {
                b"\x08http/1.1" => Ok(&offered[1..]),
                _ => Err(AlpnError::ALERT_FATAL),
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

#[tokio::test]
async fn who_takes_no_connection_and_who_falls_silent_do_not_answer() {
    let authority = Authority::new("ours").unwrap();
    let prober = trusting(&authority.root_pem().unwrap());
    let moment = Duration::from_millis(50);
    let silent = Server::start(async |stream, _| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let endpoint = silent.endpoint();
    let asked_first = Endpoint { starttls: Some(StartTls::Smtp), ..endpoint.clone() };
    for endpoint in [endpoint, asked_first] {
        let dial = || prober.dial(&endpoint.address, endpoint.port, PATIENCE);
        let late = Observation::Unreachable("no handshake within 50 ms".to_owned());
        assert_eq!(prober.handshake(dial, &endpoint, moment).await, late);
    }
    let refused = || async { Err("connection refused".to_owned()) };
    let away = Observation::Unreachable("connection refused".to_owned());
    assert_eq!(prober.handshake(refused, &silent.endpoint(), PATIENCE).await, away);
}

#[tokio::test]
async fn tls_begins_once_the_server_agreed_to_it_in_the_clear() {
    let authority = Authority::new("ours").unwrap();
    let prober = trusting(&authority.root_pem().unwrap());
    let issued = authority.issue(&["a.test"], -1, 30).unwrap();
    let key = PKey::private_key_from_pem(&issued.1).unwrap();
    let acceptor = acceptor(der(&issued), &key, &rustls::version::TLS13);
    let server = Server::start(move |mut stream, number| {
        let acceptor = acceptor.clone();
        async move {
            stream.write_all(b"+OK ready\r\n").await.unwrap();
            stream.read_exact(&mut [0; 6]).await.unwrap();
            // The second one changes its mind.
            let agrees = number == 0;
            stream.write_all(if agrees { b"+OK go\r\n" } else { b"-ERR no\r\n" }).await.unwrap();
            drop(acceptor.accept(stream).await);
        }
    })
    .await;
    let endpoint = Endpoint { starttls: Some(StartTls::Pop3), ..server.endpoint() };
    assert_eq!(served(&prober, &endpoint).await.chain, der(&issued));
    assert_eq!(refused(&prober, &endpoint).await, "it does not change to TLS: `-ERR no`");
    assert_eq!(server.came(), 2);
}

#[tokio::test]
async fn an_address_leads_to_itself() {
    let prober = trusting(&Authority::new("ours").unwrap().root_pem().unwrap());
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(prober.resolve(address).await, Ok(vec![address.parse().unwrap()]));
    }
}

#[tokio::test]
async fn an_ocsp_answer_that_is_stapled_is_seen_with_either_library() {
    let authority = Authority::new("ours").unwrap();
    let prober = trusting(&authority.root_pem().unwrap());
    let plain = of_key(&authority, &rsa(2048));
    let stapling = |answer: &'static [u8]| {
        move |context: &mut SslContextBuilder| {
            let staple = move |ssl: &mut openssl::ssl::SslRef| Ok(ssl.set_ocsp_status(answer).is_ok());
            context.set_status_callback(staple).unwrap();
        }
    };
    let odd = |answer: &'static [u8]| {
        move |context: &mut SslContextBuilder| {
            old_suite("AES128-GCM-SHA256")(context);
            stapling(answer)(context);
        }
    };
    for (version, _) in VERSIONS {
        let both = |answer: &'static [u8]| {
            move |context: &mut SslContextBuilder| {
                up_to(version)(context);
                stapling(answer)(context);
            }
        };
        // One answer is not kept for the next handshake.
        let contexts = vec![
            serving(&[&plain], both(b"one")),
            serving(&[&plain], up_to(version)),
            serving(&[&plain], both(b"two")),
        ];
        let server = Server::openssl(contexts).await;
        for expected in [Some(&b"one"[..]), None, Some(b"two")] {
            assert_eq!(served(&prober, &server.endpoint()).await.staple.as_deref(), expected);
        }
    }
    let server = Server::openssl(vec![serving(&[&plain], odd(b"three"))]).await;
    assert_eq!(served(&prober, &server.endpoint()).await.staple.as_deref(), Some(&b"three"[..]));
    assert_eq!(server.came(), 2, "rustls fits it");
}
