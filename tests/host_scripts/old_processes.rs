//! Old workers that connections keep: counted when a version is made final, and by a status.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use certwave::install::{Activation, FilePart, OldProcesses, OnDisk};
use certwave::lab::{Authority, HaproxyOptions, HaproxyServer, wait_for};
use certwave::service::{Haproxy, HaproxyCertificate, HaproxyReload, ServiceSpec};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use crate::nginx::Site;
use crate::support::{Host, PATIENCE, SHELLS, Shell, version};

/// A client that does not come to the end of its request: that keeps the worker that it reached.
fn hold(port: u16) -> SslStream<TcpStream> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let mut config = connector.build().configure().unwrap();
    config.set_verify_hostname(false);
    let mut held = config.connect("a.test", TcpStream::connect(("127.0.0.1", port)).unwrap()).unwrap();
    held.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n").unwrap();
    held
}

fn at_commit(host: &Host) -> Vec<OldProcesses> {
    host.commit(None).old
}

fn by_status(host: &Host) -> Vec<OldProcesses> {
    let ended = host.run(&host.spec.status(&host.services));
    OnDisk::parse(&ended.output(), &host.spec, &host.services).unwrap().old
}

fn old(count: u32) -> Vec<OldProcesses> {
    vec![OldProcesses { service: 0, count }]
}

#[test]
fn each_reload_of_nginx_leaves_the_workers_that_clients_keep() {
    for shell in SHELLS {
        let site = Site::new(shell);
        site.stage_next();
        assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
        assert_eq!(at_commit(&site.host), [], "{shell:?}");
        let before = site.host.tree();
        let mut held = Vec::new();
        for reloads in 1..=3 {
            held.push(hold(site.port()));
            assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
            assert_eq!(at_commit(&site.host), old(reloads), "{shell:?}");
            assert_eq!(by_status(&site.host), old(reloads), "{shell:?}");
        }
        assert_eq!(site.host.tree(), before, "{shell:?}");
        drop(held);
        assert!(wait_for(PATIENCE, || by_status(&site.host).is_empty()), "{shell:?}");
    }
}

/// The server's folder is the host's: its test and reload are HAProxy's own.
fn haproxy(shell: Shell) -> (Host, HaproxyServer) {
    let mut host = Host::named(shell, "certwave");
    let folder = host.file("haproxy");
    std::fs::create_dir_all(&folder).unwrap();
    let (leaf, key) = Authority::new("root").unwrap().issue(&["a.test"], 0, 9).unwrap();
    std::fs::write(folder.join("site.pem"), [leaf.as_slice(), &key].concat()).unwrap();
    let options = HaproxyOptions {
        certificates: format!("crt {}", folder.join("site.pem").display()),
        address: "127.0.0.1".parse().unwrap(),
        global: String::new(),
    };
    let server = HaproxyServer::start(&folder, &options).unwrap();
    let path = |path: &Path| path.to_str().unwrap().parse().unwrap();
    let file = FilePart::Combined.into();
    let spec = ServiceSpec::Haproxy(Haproxy {
        sockets: Vec::new(),
        certificates: vec![HaproxyCertificate { path: path(&folder.join("site.pem")), file, alias: None }],
        crt_list: None,
        reload: HaproxyReload::Master(path(&server.master_socket)),
        binary: Haproxy::DEFAULT_BINARY.parse().unwrap(),
        config: path(&server.config),
        test: None,
        bufsize: Haproxy::DEFAULT_BUFSIZE,
    });
    host.add_service("haproxy", &spec, 30);
    (host, server)
}

fn ask(socket: &Path, command: &str) -> String {
    let mut answer = String::new();
    // A master that replaces itself cuts the connection.
    if let Ok(mut stream) = UnixStream::connect(socket) {
        let _ = stream.write_all(format!("{command}\n").as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

#[test]
fn each_reload_of_haproxy_leaves_the_worker_that_a_client_keeps() {
    for shell in SHELLS {
        let (host, server) = haproxy(shell);
        host.install(&version(1), None, "one");
        assert_eq!(at_commit(&host), [], "{shell:?}");
        let workers = || {
            let said = ask(&server.master_socket, "show proc");
            certwave::service::master::read_processes(&said).map(|all| all.workers).unwrap_or_default()
        };
        let mut held = Vec::new();
        for reloads in 1..=3 {
            held.push(hold(server.https.port()));
            let before = workers();
            ask(&server.master_socket, "reload");
            assert!(wait_for(PATIENCE, || {
                let now = workers();
                !now.is_empty() && now.iter().all(|one| !before.contains(one))
            }));
            assert_eq!(at_commit(&host), old(reloads), "{shell:?}");
            assert_eq!(by_status(&host), old(reloads), "{shell:?}");
        }
        drop(held);
        assert!(wait_for(PATIENCE, || by_status(&host).is_empty()), "{shell:?}");
    }
}
