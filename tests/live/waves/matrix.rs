//! What is proven: every address, port, name and key by itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use certwave::lab::{EnvoyOptions, EnvoyServer, FrontServer, Process, free_port};
use serde_json::Value;

use crate::support::{Fleet, leaf};

const ECDSA: &str = "ECDSA+SHA256";
const RSA: &str = "RSA-PSS+SHA256:RSA+SHA256";

fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed);
    std::fs::write(path, changed).unwrap();
}

/// Writes a file with a private key, for its owner alone as the lab's others are.
fn write_key(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn hang_up(process: &Process) {
    process.signal(nix::sys::signal::Signal::SIGHUP);
}

fn status(fleet: &Fleet, code: i32) -> Vec<Value> {
    let run = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(code);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn two_certificates_are_issued_installed_and_proven_by_their_algorithms() {
    let fleet = Fleet::mixed(1, 1, 0);
    let live = fleet.lab.hosts[0].root.join("etc/certwave/live/api.lab.test");
    rewrite(&fleet.lab.hosts[0].nginx.config, |text| {
        let second = format!(
            "ssl_certificate {live}/fullchain.rsa.pem; ssl_certificate_key {live}/privkey.rsa.pem;\n",
            live = live.display()
        );
        text.replacen("location = /large.bin", &format!("{second}        location = /large.bin"), 1)
    });
    // HAProxy names a bundle, whose two files it finds by their endings.
    let FrontServer::Haproxy(haproxy) = &fleet.lab.fronts[0].server else { panic!("it is HAProxy") };
    let ssl = fleet.lab.fronts[0].root.join("etc/ssl");
    let pem = std::fs::read(ssl.join("api.pem")).unwrap();
    for ending in ["ecdsa", "rsa"] {
        // Of the same kind until certwave has issued the other.
        write_key(&ssl.join(format!("api.pem.{ending}")), &pem);
    }
    std::fs::remove_file(ssl.join("api.pem")).unwrap();
    let before = std::fs::read_to_string(haproxy.config.with_file_name("haproxy.pid")).unwrap();
    haproxy.process.signal(nix::sys::signal::Signal::SIGUSR2);
    let bundled = || {
        let asked = std::process::Command::new("sh")
            .args(["-c", "printf 'show ssl cert\\n' | python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(sys.stdin.buffer.read()); print(s.recv(9999).decode())' \"$0\""])
            .arg(&haproxy.socket)
            .output()
            .unwrap();
        String::from_utf8_lossy(&asked.stdout).contains("api.pem.rsa")
    };
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(60), bundled), "{before}");
    fleet.edit("domains: [api.lab.test]", "domains: [api.lab.test]\n  key: [ecdsa-p256, rsa-2048]");

    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    let nginx = fleet.lab.hosts[0].nginx.https;
    let (ecdsa, rsa) = (leaf(nginx, "api.lab.test", ECDSA), leaf(nginx, "api.lab.test", RSA));
    assert_ne!(ecdsa, rsa);
    assert_eq!(ecdsa, run.last()["certificate"]["fingerprint_sha256"]);
    assert_eq!(leaf(haproxy.https, "api.lab.test", ECDSA), ecdsa);
    assert_eq!(leaf(haproxy.https, "api.lab.test", RSA), rsa);
    let seen = status(&fleet, 0);
    let keys: Vec<&str> = seen.iter().filter_map(|line| line["key_type"].as_str()).collect();
    assert_eq!(keys, ["ecdsa-p256", "rsa-2048", "ecdsa-p256", "rsa-2048"]);
    let again = fleet.roll_out(&[]).expect(0);
    assert_eq!(again.last()["outcome"], "unchanged");

    // One pair that is forgotten is found, though the other is right.
    rewrite(&fleet.lab.hosts[0].nginx.config, |text| {
        let at = text.find("ssl_certificate /").unwrap();
        let end = at + text[at..].find("privkey").map_or(0, |_| text[at..].find("location").unwrap());
        let kept =
            text[at..end].lines().filter(|line| !line.contains(".rsa.")).collect::<Vec<_>>().join("\n");
        format!("{}{kept}\n        {}", &text[..at], &text[end..])
    });
    fleet.edit("timeout: 20s", "timeout: 5s");
    let run = fleet.roll_out(&["--force"]).expect(4);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("(rsa)"), "{reason}");
}

/// A self-signed RSA certificate and its key.
fn rsa() -> (Vec<u8>, Vec<u8>) {
    let key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let mut name = openssl::x509::X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "api.lab.test").unwrap();
    let name = name.build();
    let mut certificate = openssl::x509::X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&openssl::asn1::Asn1Time::days_from_now(9).unwrap()).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
    (certificate.build().to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap())
}

#[test]
fn envoy_takes_two_certificates_as_two_secrets() {
    let fleet = Fleet::mixed(1, 0, 1);
    let front = &fleet.lab.fronts[0];
    let (ssl, folder) = (front.root.join("etc/ssl"), front.root.join("dual"));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = rsa();
    std::fs::write(ssl.join("api-rsa.crt"), certificate).unwrap();
    write_key(&ssl.join("api-rsa.key"), &key);
    let secret = |name: &str, stem: &str| {
        format!(
            "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  name: {name}\n  tls_certificate:\n    certificate_chain: {{filename: \"{ssl}/{stem}.crt\"}}\n    private_key: {{filename: \"{ssl}/{stem}.key\"}}\n    watched_directory: {{path: \"{}\"}}\n",
            front.root.join("etc/certwave/live").display(),
            ssl = ssl.display(),
        )
    };
    let (FrontServer::Envoy(first), address) = (&front.server, front.server.https().ip()) else {
        panic!("it is Envoy")
    };
    let (ec, other) = (folder.join("ec.yaml"), folder.join("rsa.yaml"));
    std::fs::write(&ec, format!("resources:\n{}", secret("ec", "api"))).unwrap();
    std::fs::write(&other, format!("resources:\n{}", secret("rsa", "api-rsa"))).unwrap();
    let secrets = vec![("ec".to_owned(), ec), ("rsa".to_owned(), other)];
    let options = EnvoyOptions { secrets, address };
    let envoy = EnvoyServer::start(&folder, &options).unwrap();
    fleet.edit_inventory(
        &format!("https_port: {}", first.https.port()),
        &format!("https_port: {}", envoy.https.port()),
    );
    fleet.edit_inventory(&first.admin.to_string(), &envoy.admin.to_string());
    fleet.edit("\"{{ root }}/envoy/sds.yaml\", secret: server_cert", "{ecdsa: \"{{ root }}/dual/ec.yaml\", rsa: \"{{ root }}/dual/rsa.yaml\"}, secret: {ecdsa: ec, rsa: rsa}");
    fleet.edit("domains: [api.lab.test]", "domains: [api.lab.test]\n  key: [ecdsa-p256, rsa-2048]");
    fleet.edit(
        "  links:\n",
        "  links:\n    \"{{ root }}/etc/ssl/api-rsa.crt\": fullchain.rsa.pem\n    \"{{ root }}/etc/ssl/api-rsa.key\": privkey.rsa.pem\n",
    );
    let run = fleet.roll_out(&["--limit", "edge"]).expect(0);
    let ecdsa = leaf(envoy.https, "api.lab.test", ECDSA);
    assert_eq!(ecdsa, run.last()["certificate"]["fingerprint_sha256"]);
    assert_ne!(leaf(envoy.https, "api.lab.test", RSA), ecdsa);
}

#[test]
fn every_port_and_name_is_proven_by_itself() {
    let fleet = Fleet::start(1);
    let nginx = &fleet.lab.hosts[0].nginx;
    let second = free_port(nginx.https.ip()).unwrap();
    let listen = format!("listen {} ssl;", nginx.https);
    let more = format!("{listen}\n        listen {}:{second} ssl;", nginx.https.ip());
    rewrite(&nginx.config, |text| text.replace(&listen, &more));
    hang_up(&nginx.process);
    fleet.edit(
        "port: \"{{ https_port }}\"",
        &format!("port: [\"{{{{ https_port }}}}\", {second}]\n  answers: 2"),
    );
    fleet.edit("domains: [api.lab.test]", "domains: [api.lab.test, www.lab.test]");
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  server_name: [api.lab.test, www.lab.test]");
    fleet.roll_out(&[]).expect(0);
    let seen = status(&fleet, 0);
    let places: std::collections::BTreeSet<(u64, &str)> = seen
        .iter()
        .map(|line| (line["port"].as_u64().unwrap(), line["server_name"].as_str().unwrap()))
        .collect();
    assert_eq!(places.len(), 4, "{seen:#?}");
}

#[test]
fn a_port_where_something_else_answers_stops_the_wave() {
    let fleet = Fleet::start(2);
    let nginx = &fleet.lab.hosts[0].nginx;
    let second = free_port(nginx.https.ip()).unwrap();
    let ssl = fleet.lab.hosts[0].root.join("etc/ssl");
    rewrite(&nginx.config, |text| {
        let at = text.rfind("server {").unwrap();
        let other = format!(
            "server {{ listen {}:{second} ssl; ssl_certificate {ssl}/other.crt; ssl_certificate_key {ssl}/other.key; }}\n    ",
            nginx.https.ip(),
            ssl = ssl.display()
        );
        format!("{}{other}{}", &text[..at], &text[at..])
    });
    hang_up(&nginx.process);
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(60), || {
        std::net::TcpStream::connect((nginx.https.ip(), second)).is_ok()
    }));
    fleet.edit("port: \"{{ https_port }}\"", &format!("port: [\"{{{{ https_port }}}}\", {second}]"));
    fleet.edit("timeout: 20s", "timeout: 3s");
    let run = fleet.roll_out(&["--limit", "web"]).expect(4);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("certwave never issued") && reason.contains("other.lab.test"), "{reason}");
    assert_eq!(run.hosts()[1], "untouched");
}

/// A canary whose nginx is made to serve something else than was installed: what is found.
fn found(nginx: impl FnOnce(&Fleet, &Path) -> std::path::PathBuf) -> String {
    let fleet = Fleet::start(1);
    let live = fleet.lab.hosts[0].root.join("etc/certwave/live/api.lab.test");
    fleet.roll_out(&[]).expect(0);
    let chain = nginx(&fleet, &live);
    let configured =
        format!("ssl_certificate {};", fleet.lab.hosts[0].root.join("etc/ssl/api.crt").display());
    rewrite(&fleet.lab.hosts[0].nginx.config, |text| {
        text.replace(&configured, &format!("ssl_certificate {};", chain.display()))
    });
    hang_up(&fleet.lab.hosts[0].nginx.process);
    let mut text = String::new();
    // The old worker answers for a moment.
    certwave::lab::wait_for(std::time::Duration::from_secs(60), || {
        let run = fleet.run(&["status", "playbook.yaml", "--output", "json"]);
        text = run.stdout;
        run.code == 1
    });
    text
}

fn blocks(pem: &str) -> Vec<String> {
    pem.split_inclusive("-----END CERTIFICATE-----\n").map(str::to_owned).collect()
}

#[test]
fn a_chain_with_its_root_and_another_chain_are_told_apart() {
    let with_root = found(|fleet, live| {
        let chain = std::fs::read_to_string(live.join("fullchain.pem")).unwrap();
        let root = String::from_utf8(fleet.lab.pebble.root_pem().unwrap()).unwrap();
        let path = fleet.lab.hosts[0].root.join("etc/ssl/with-root.crt");
        std::fs::write(&path, format!("{chain}{root}")).unwrap();
        path
    });
    assert!(with_root.contains("the root is sent too"), "{with_root}");
    let other = found(|fleet, live| {
        let chain = std::fs::read_to_string(live.join("fullchain.pem")).unwrap();
        let root = String::from_utf8(fleet.lab.pebble.root_pem().unwrap()).unwrap();
        let parts = blocks(&chain);
        let path = fleet.lab.hosts[0].root.join("etc/ssl/other.crt");
        std::fs::write(&path, format!("{}{root}{}", parts[0], parts[1])).unwrap();
        path
    });
    assert!(other.contains("another chain is sent"), "{other}");
}

#[test]
fn a_root_that_is_not_trusted_is_told_with_where_to_put_it() {
    let fleet = Fleet::start(1);
    fleet.edit("  ca_file: roots.pem\n", "");
    fleet.edit("timeout: 20s", "timeout: 3s");
    let run = fleet.roll_out(&[]).expect(1);
    let error = run.last();
    assert!(error["message"].as_str().unwrap().contains("would not be trusted"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("verify: ca_file"), "{error}");
}
