//! Issuance against a real ACME server (Pebble) and its DNS.

#![allow(clippy::unwrap_used)] // A test says what it expects by failing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use certwave::acme::{IssueError, Issued, Listener, Progress, Request, issue};
use certwave::certificate::{Bundle, KeyType, Requirements};
use certwave::lab::{Pebble, free_port};
use certwave::model::{DnsName, Secret};
use certwave::plan::{PlannedAcme, PlannedChallenge};
use certwave::ports::{HeldLease, LeaseToken, SecretFiles, StoreError};
use certwave::store::Store;
use serde_json::json;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Server {
    pebble: Pebble,
    listen: SocketAddr,
    folder: tempfile::TempDir,
}

/// A lease that nobody takes.
#[derive(Debug)]
struct Ours;

impl HeldLease for Ours {
    fn token(&self) -> &LeaseToken {
        unreachable!("nothing is written")
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Server {
    fn start(settings: serde_json::Value, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port(HERE).unwrap();
        let pebble = Pebble::start(folder.path(), HERE, port, HERE, settings, environment).unwrap();
        Self { pebble, listen: SocketAddr::new(HERE, port), folder }
    }

    fn issuer(&self) -> PlannedAcme {
        PlannedAcme {
            name: "pebble".to_owned(),
            directory: self.pebble.directory_url().to_owned(),
            contact: vec!["mailto:ops@example.com".to_owned()],
            profile: None,
            ca_file: Some(self.pebble.ca_file().to_owned()),
            challenge: PlannedChallenge::Listen(self.listen),
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn store(&self) -> Store {
        Store::open(&self.state()).unwrap()
    }

    /// The files of accounts or orders.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.state().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn issue_by(
        &self,
        issuer: &PlannedAcme,
        names: &[&str],
        key: KeyType,
    ) -> (Result<Issued, IssueError>, Vec<Progress>) {
        let domains: Vec<DnsName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let (accounts, orders) = (self.store().accounts(), self.store().orders());
        let request =
            Request { issuer, domains: &domains, key, lease: &Ours, accounts: &accounts, orders: &orders };
        let seen = Mutex::new(Vec::new());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let issued = runtime.block_on(async {
            let listener = Listener::start(self.listen).await?;
            issue(&request, &listener, &|progress| {
                seen.lock().unwrap().push(progress);
                Ok(())
            })
            .await
        });
        (issued, seen.into_inner().unwrap())
    }

    fn issue(&self, names: &[&str], key: KeyType) -> Result<Issued, IssueError> {
        self.issue_by(&self.issuer(), names, key).0
    }
}

/// What a sealed file is called, and what it holds.
fn had(folder: &dyn SecretFiles, file: &Path) -> (String, Secret) {
    let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
    let secret = folder.read(&name).unwrap().unwrap();
    (name, secret)
}

/// Files are for their owner alone, and say nothing without the sealing key.
fn sealed(files: &[PathBuf]) {
    use std::os::unix::fs::PermissionsExt;
    for file in files {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("-----BEGIN CMS-----\n"), "{}", file.display());
        assert!(text.ends_with("-----END CMS-----\n"), "{}", file.display());
    }
}

fn prove(issued: &Issued, names: &[&str]) -> Bundle {
    let names: Vec<DnsName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let now = jiff::Timestamp::now();
    let required = Requirements { names: &names, now, at_least: Duration::from_secs(60) };
    Bundle::prove(&issued.chain, &issued.key, now, &required).unwrap()
}

#[test]
fn every_kind_of_key_and_one_account_for_all() {
    let server = Server::start(json!({}), &[]);
    let names = ["a.example.com", "b.example.com"];
    for kind in [KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Rsa2048, KeyType::Rsa3072] {
        let (issued, progress) = server.issue_by(&server.issuer(), &names, kind);
        assert_eq!(prove(&issued.unwrap(), &names).key_type(), Some(kind));
        assert!(
            matches!(&progress[0], Progress::Ordered { url } if url.starts_with("https://")),
            "{progress:?}"
        );
        assert_eq!(progress.last(), Some(&Progress::Finalizing));
    }
    let accounts = server.files("accounts");
    assert_eq!(accounts.len(), 1);
    sealed(&accounts);
    let (_, account) = had(&server.store().accounts(), &accounts[0]);
    assert!(String::from_utf8_lossy(account.expose()).contains("key_pkcs8"));
}

#[test]
fn every_certificate_has_a_key_of_its_own() {
    let server = Server::start(json!({}), &[]);
    let first = server.issue(&["a.example.com"], KeyType::EcdsaP256).unwrap();
    assert!(!format!("{first:?}").contains("BEGIN PRIVATE KEY"));
    let order = server.files("orders");
    assert_eq!(order.len(), 2);
    sealed(&order);
    first.order.settle(&server.store().orders()).unwrap();
    assert!(server.files("orders").is_empty());
    let second = server.issue(&["a.example.com"], KeyType::EcdsaP256).unwrap();
    assert!(first.key.expose() != second.key.expose());
}

#[test]
fn refused_nonces_are_tried_again() {
    let server = Server::start(json!({}), &[("PEBBLE_WFE_NONCEREJECT", "40")]);
    // One try of the account's creation may be refused too often; the order itself never gives up so early.
    let issued = (0..5).find_map(|_| server.issue(&["a.example.com"], KeyType::EcdsaP256).ok());
    prove(&issued.unwrap(), &["a.example.com"]);
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let server = Server::start(json!({"domainBlocklist": ["blocked.example.com"]}), &[]);
    let error = server.issue(&["a.example.com", "blocked.example.com"], KeyType::EcdsaP256).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("take the order") && text.contains("rejectedIdentifier"), "{text}");
    assert!(text.contains("blocked.example.com"), "{text}");
}

#[test]
fn a_name_that_leads_elsewhere_is_named() {
    let server = Server::start(json!({}), &[]);
    server.pebble.tell_dns("set-servfail", &json!({"host": "lost.example.com"})).unwrap();
    let error = server.issue(&["a.example.com", "lost.example.com"], KeyType::EcdsaP256).unwrap_err();
    assert!(
        matches!(&error, IssueError::Challenge { domain, .. } if domain == "lost.example.com"),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_server_that_is_down_or_not_trusted() {
    let mut server = Server::start(json!({}), &[]);
    let issuer = PlannedAcme { ca_file: None, ..server.issuer() };
    let error = server.issue_by(&issuer, &["a.example.com"], KeyType::EcdsaP256).0.unwrap_err();
    assert!(
        matches!(&error, IssueError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("ca_file"));
    server.pebble.server.stop();
    let error = server.issue(&["a.example.com"], KeyType::EcdsaP256).unwrap_err();
    assert!(matches!(&error, IssueError::Unreachable { .. }), "{error}");
}

#[test]
fn a_server_that_forgot_the_account_gets_a_new_one() {
    let first = Server::start(json!({}), &[]);
    first.issue(&["a.example.com"], KeyType::EcdsaP256).unwrap();
    let second = Server::start(json!({}), &[]);
    second.issue(&["a.example.com"], KeyType::EcdsaP256).unwrap();
    // The account of the first server, as if it were the second's.
    let (_, text) = had(&first.store().accounts(), &first.files("accounts")[0]);
    let (from, to) = (first.pebble.directory_url(), second.pebble.directory_url());
    let text = String::from_utf8(text.expose().to_vec()).unwrap();
    let text = text.replace(from.trim_end_matches("/dir"), to.trim_end_matches("/dir"));
    let accounts = second.store().accounts();
    let (name, _) = had(&accounts, &second.files("accounts")[0]);
    accounts.write(&name, &Secret::new(text.into_bytes())).unwrap();
    prove(&second.issue(&["b.example.com"], KeyType::EcdsaP256).unwrap(), &["b.example.com"]);
    let unknown = |file: &PathBuf| file.to_string_lossy().ends_with(".unknown.cms");
    assert!(second.files("accounts").iter().any(unknown), "{:?}", second.files("accounts"));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let server = Server::start(json!({}), &[]);
    let taken = std::net::TcpListener::bind(server.listen).unwrap();
    let error = server.issue(&["a.example.com"], KeyType::EcdsaP256).unwrap_err();
    assert!(matches!(&error, IssueError::Listen { address, .. } if *address == server.listen), "{error}");
    drop(taken);
}

/// Issues, and stops for good at a step, as a controller that is killed there: what comes after it is never begun.
fn die_at(server: &Server, names: &[&str], step: &'static str) {
    let domains: Vec<DnsName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let (issuer, store) = (server.issuer(), server.store());
    let (accounts, orders) = (store.accounts(), store.orders());
    let key = KeyType::EcdsaP256;
    let request = Request {
        issuer: &issuer,
        domains: &domains,
        key,
        lease: &Ours,
        accounts: &accounts,
        orders: &orders,
    };
    let progress = |progress: Progress| {
        if format!("{progress:?}").starts_with(step) {
            std::panic::resume_unwind(Box::new(step));
        }
        Ok(())
    };
    let death = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = Listener::start(server.listen).await.unwrap();
            issue(&request, &listener, &progress).await
        })
    }));
    let at = death.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(*at, step);
}

fn url(progress: &[Progress]) -> (bool, String) {
    progress
        .iter()
        .find_map(|one| match one {
            Progress::Ordered { url } => Some((true, url.clone())),
            Progress::TakenUp { url } => Some((false, url.clone())),
            _ => None,
        })
        .unwrap()
}

#[test]
fn an_order_is_taken_up_again_wherever_its_controller_died() {
    let server = Server::start(json!({}), &[]);
    // In between, it is the server's choice: with nobody there to answer a challenge, it may give the order up.
    for (number, step) in ["Ordered", "Finalizing"].into_iter().enumerate() {
        let name = format!("n{number}.lab.test");
        die_at(&server, &[&name], step);
        sealed(&server.files("orders"));
        let (issued, progress) = server.issue_by(&server.issuer(), &[&name], KeyType::EcdsaP256);
        let (placed, order) = url(&progress);
        assert!(!placed, "{step}: another order was placed: {progress:?}");
        let issued = issued.unwrap();
        let bundle = prove(&issued, &[&name]);

        // Not settled: the certificate is had again, and is the same.
        let second = server.issue_by(&server.issuer(), &[&name], KeyType::EcdsaP256);
        assert_eq!(url(&second.1), (false, order.clone()), "{step}");
        assert_eq!(prove(second.0.as_ref().unwrap(), &[&name]).leaf().fingerprint, bundle.leaf().fingerprint);

        issued.order.settle(&server.store().orders()).unwrap();
        let (third, progress) = server.issue_by(&server.issuer(), &[&name], KeyType::EcdsaP256);
        assert!(url(&progress).0 && url(&progress).1 != order, "{step}: {progress:?}");
        assert_ne!(prove(&third.unwrap(), &[&name]).leaf().fingerprint, bundle.leaf().fingerprint);
    }
}

#[test]
fn an_order_that_the_server_gave_up_is_not_taken_up() {
    let server = Server::start(json!({}), &[]);
    server.pebble.tell_dns("set-default-ipv4", &json!({"ip": ""})).unwrap();
    let (failed, first) = server.issue_by(&server.issuer(), &["a.lab.test"], KeyType::EcdsaP256);
    failed.unwrap_err();
    server.pebble.tell_dns("set-default-ipv4", &json!({"ip": "127.0.0.1"})).unwrap();
    let (issued, second) = server.issue_by(&server.issuer(), &["a.lab.test"], KeyType::EcdsaP256);
    // Which one, and what the server says of it.
    let Progress::Abandoned { url: abandoned, reason } = &second[0] else { panic!("{second:?}") };
    assert_eq!(*abandoned, url(&first).1);
    assert!(reason.contains("prove to the ACME server that `a.lab.test` is ours: "), "{reason}");
    prove(&issued.unwrap(), &["a.lab.test"]);
    assert!(url(&second).0 && url(&second).1 != url(&first).1, "{second:?}");
}

/// A server that answers every request with these bytes, over TLS.
fn hostile(folder: &Path, answer: fn(SocketAddr) -> Vec<Vec<u8>>) -> (SocketAddr, PathBuf) {
    use openssl::ssl::{SslAcceptor, SslMethod};
    let authority = certwave::lab::Authority::new("hostile").unwrap();
    let (leaf, key) = authority.issue(&["localhost"], 0, 9).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(&openssl::x509::X509::from_pem(&leaf).unwrap()).unwrap();
    acceptor.set_private_key(&openssl::pkey::PKey::private_key_from_pem(&key).unwrap()).unwrap();
    let acceptor = acceptor.build();
    let ca_file = folder.join("ca.pem");
    std::fs::write(&ca_file, authority.root_pem().unwrap()).unwrap();
    let listener = std::net::TcpListener::bind((HERE, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = acceptor.accept(stream.unwrap()) else { continue };
            std::thread::spawn(move || {
                use std::io::{Read, Write};
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked);
                // Whoever has had enough closes.
                let _ = answer(at).iter().try_for_each(|part| stream.write_all(part));
            });
        }
    });
    (at, ca_file)
}

fn asked(answer: fn(SocketAddr) -> Vec<Vec<u8>>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (at, ca_file) = hostile(folder.path(), answer);
    let issuer = PlannedAcme {
        name: "hostile".to_owned(),
        directory: format!("https://localhost:{}/dir", at.port()),
        contact: Vec::new(),
        profile: None,
        ca_file: Some(ca_file),
        challenge: PlannedChallenge::Listen((HERE, free_port(HERE).unwrap()).into()),
    };
    let store = Store::open(&folder.path().join("state")).unwrap();
    let domains = ["a.test".parse().unwrap()];
    let (accounts, orders) = (store.accounts(), store.orders());
    let request = Request {
        issuer: &issuer,
        domains: &domains,
        key: KeyType::EcdsaP256,
        lease: &Ours,
        accounts: &accounts,
        orders: &orders,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let PlannedChallenge::Listen(listen) = issuer.challenge else { unreachable!() };
    let issued = runtime.block_on(async {
        let listener = Listener::start(listen).await?;
        issue(&request, &listener, &|_| Ok(())).await
    });
    issued.unwrap_err().to_string()
}

#[test]
fn a_ca_that_never_ends_its_answer_is_told_and_takes_no_memory() {
    let told = asked(|_| {
        let mut parts = vec![
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_vec(),
        ];
        let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
        parts.resize(100, chunk);
        parts
    });
    assert!(told.ends_with("its answer is longer than 1 MiB"), "{told}");
}

#[test]
fn a_ca_that_leads_elsewhere_is_followed_over_https_alone() {
    let told = asked(|at| {
        vec![
            format!(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/dir\r\nContent-Length: 0\r\n\r\n",
                at.port()
            )
            .into_bytes(),
        ]
    });
    assert!(told.contains("URL scheme is not allowed"), "{told}");
    // Not for ever.
    let told = asked(|at| {
        vec![
            format!(
                "HTTP/1.1 302 Found\r\nLocation: https://localhost:{}/dir\r\nContent-Length: 0\r\n\r\n",
                at.port()
            )
            .into_bytes(),
        ]
    });
    assert!(told.contains("too many redirects"), "{told}");
}
