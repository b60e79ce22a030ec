//! `verify`'s keys for listeners that do not take every client, and the files that they name.

use std::path::Path;

use certwave::lab::Authority;
use openssl::pkey::PKey;
use openssl::symm::Cipher;

use crate::{INVENTORY, PLAYBOOK, run, wrong};

/// What `check` says of a playbook with this `verify`, beside which lie certificates and keys of clients.
fn check(verify: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    let clients = Authority::new("Clients").unwrap();
    let issue = |name: &str, from: i64, to: i64| {
        let (certificate, key) = clients.issue(&["probe.test"], from, to).unwrap();
        write(&format!("{name}.pem"), &certificate);
        write(&format!("{name}.key"), &key);
        key
    };
    issue("probe", -1, 30);
    issue("expired", -30, -1);
    issue("early", 10, 30);
    let key = PKey::private_key_from_pem(&issue("locked", -1, 30)).unwrap();
    let locked = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap();
    write("locked.key", &locked);
    write("odd.pem", b"no certificate");
    write("playbook.yaml", format!("{PLAYBOOK}verify:\n  {verify}\n").as_bytes());
    write("hosts.yaml", INVENTORY.as_bytes());
    let (code, stdout, stderr) = run(folder.path(), &["check", "playbook.yaml", "-i", "hosts.yaml"]);
    (code, format!("{stdout}{stderr}"))
}

#[test]
fn keys_that_can_be_met_are_valid() {
    for verify in [
        "client_certificate: {certificate: probe.pem, key: probe.key}",
        "alpn: [h2, http/1.1]",
        "alpn: xmpp-client",
        "proxy_protocol: v1",
        "proxy_protocol: v2",
        "rate: 5/s",
        "rate: 20/10s",
    ] {
        let (code, text) = check(verify);
        assert_eq!(code, 0, "{verify}: {text}");
    }
}

#[test]
fn a_client_certificate_that_cannot_be_shown_is_told_with_its_place() {
    let files = |certificate: &str, key: &str| {
        check(&format!("client_certificate: {{certificate: {certificate}, key: {key}}}"))
    };
    for (certificate, key, column, words) in [
        ("nowhere.pem", "probe.key", 37, "failed to read `nowhere.pem`"),
        ("probe.pem", "nowhere.key", 53, "failed to read `nowhere.key`"),
        ("odd.pem", "probe.key", 37, "odd.pem`: not a certificate"),
        (
            "probe.pem",
            "odd.pem",
            53,
            "odd.pem`: the private key cannot be read: it must be PEM, and not encrypted",
        ),
        ("locked.pem", "locked.key", 54, "the private key cannot be read: it must be PEM, and not encrypted"),
        ("probe.pem", "expired.key", 53, "the private key does not fit the certificate of `CN=probe.test`"),
        ("expired.pem", "expired.key", 37, "`CN=probe.test` expired on "),
        ("early.pem", "early.key", 37, "`CN=probe.test` is not valid before "),
    ] {
        let (code, text) = files(certificate, key);
        assert_eq!(code, 64, "{text}");
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
        assert!(text.contains(&format!("playbook.yaml:6:{column}")), "{text}");
        assert!(!text.contains("secret") && !text.contains("PRIVATE KEY"), "{text}");
    }
    // Both at once, and what a service names by itself.
    let (_, text) = files("odd.pem", "locked.key");
    assert!(text.contains("2 problems"), "{text}");
    let own =
        wrong("nginx: {}", "nginx: {}, verify: {client_certificate: {certificate: none.pem, key: none.key}}");
    assert!(own.contains("failed to read `none.pem`") && own.contains("failed to read `none.key`"), "{own}");
}

#[test]
fn a_key_that_cannot_be_meant_is_told_with_its_place_and_the_way_out() {
    for (verify, told) in [
        ("proxy_protocol: v3", "`v3` is not a version of the PROXY protocol\n --> playbook.yaml:6:19"),
        ("alpn: []", "`alpn` is empty\n --> playbook.yaml:6:9"),
        (
            "rate: 5",
            "`5` is not a rate: write handshakes and a time, such as `5/s` or `30/m`\n --> playbook.yaml:6:9",
        ),
        ("rate: 1/m", "at a `rate` of 1/m, the proof of a host may take 1h4m"),
    ] {
        let verify = if verify == "rate: 1/m" { "timeout: 1m\n  rate: 1/m" } else { verify };
        let (code, text) = check(verify);
        assert_eq!(code, 64, "{text}");
        assert!(text.contains(told), "`{told}` is not in:\n{text}");
        assert!(text.contains("= help:"), "{text}");
    }
}

#[test]
fn the_same_keys_are_arguments_where_there_is_no_playbook() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hosts.yaml"), INVENTORY).unwrap();
    let status =
        |args: &[&str]| run(Path::new(folder.path()), &[&["status", "-i", "hosts.yaml"], args].concat());
    for (args, words) in [
        (&["--proxy-protocol", "v3"][..], "`v3` is not a version of the PROXY protocol"),
        (&["--rate", "5"], "`5` is not a rate"),
        (&["--alpn", "h2,,"], "`` is not a protocol of ALPN"),
        (&["--client-certificate", "a.pem"], "--client-key"),
        (&["--client-certificate", "a.pem", "--client-key", "a.key"], "failed to read `a.pem`"),
        (&["playbook.yaml", "--rate", "5/s"], "cannot be used with"),
    ] {
        let (code, stdout, stderr) = status(args);
        assert_eq!(code, 64, "{stdout}{stderr}");
        assert!(stderr.contains(words), "`{words}` is not in:\n{stderr}");
    }
}
