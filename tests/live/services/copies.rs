//! Copies beside the links, on real hosts: their formats, whose they are, and what was there before.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use openssl::pkcs12::Pkcs12;

use crate::support::Fleet;

const PASSWORD: &str = "keystore-password-4711";

fn ssl(fleet: &Fleet, file: &str) -> PathBuf {
    fleet.lab.directory().join("hosts/web01/etc/ssl").join(file)
}

/// What the keystore holds; of a PEM file, the first certificate.
fn leaf(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let certificate = match path.extension().unwrap().to_str() {
        Some("p12") => Pkcs12::from_der(&bytes).unwrap().parse2(PASSWORD).unwrap().cert.unwrap(),
        _ => openssl::x509::X509::from_pem(&bytes).unwrap(),
    };
    certificate.to_der().unwrap()
}

#[test]
fn each_copy_has_its_format_and_owner_and_goes_back_with_the_version() {
    let fleet = Fleet::start(1);
    let playbook = fleet.lab.playbook();
    std::fs::write(playbook.with_file_name("p12.password"), format!("{PASSWORD}\n")).unwrap();
    let [key, tls, store, chain] = ["app.key", "tls.pem", "app.p12", "app.crt"].map(|name| ssl(&fleet, name));
    let owner = if nix::unistd::geteuid().is_root() { "65534" } else { "" };
    let copies = format!(
        "  copies:\n    {}: {{from: privkey.pem{}, mode: '0400'}}\n    {}: {{from: key-first.pem}}\n    \
         {}: {{from: pkcs12, password: {{file: p12.password}}}}\n    {}: {{from: fullchain.pem}}\n  links:",
        key.display(),
        if owner.is_empty() { String::new() } else { format!(", owner: '{owner}'") },
        tls.display(),
        store.display(),
        chain.display(),
    );
    fleet.edit("  links:", &copies);
    std::fs::write(&tls, "something else\n").unwrap();
    let plain = ["api.crt", "api.key"].map(|name| std::fs::read(ssl(&fleet, name)).unwrap());

    let planned = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).expect(0);
    assert_eq!(planned.lines()[0]["copies"][1]["from"], "key-first.pem");
    fleet.roll_out(&[]).expect(0);
    let first = leaf(&chain);
    let text = std::fs::read_to_string(&tls).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----"), "the key comes first");
    assert_eq!([leaf(&tls), leaf(&store)], [first.clone(), first.clone()]);
    let metadata = std::fs::metadata(&key).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o400);
    assert!(owner.is_empty() || metadata.uid() == 65534);
    fleet.run(&["status", "playbook.yaml"]).expect(0);
    assert_eq!(fleet.roll_out(&[]).expect(0).last()["outcome"], "unchanged");

    // What another tool wrote is named, and mended by the next rollout.
    std::fs::write(&chain, "another tool's\n").unwrap();
    let status = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(1);
    assert!(status.lines().iter().any(|line| line.to_string().contains("app.crt")));
    fleet.roll_out(&[]).expect(0);
    assert_eq!(leaf(&chain), first);

    fleet.roll_out(&["--force"]).expect(0);
    assert_ne!(leaf(&store), first);
    fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
    assert_eq!([leaf(&tls), leaf(&store), leaf(&chain)], [first.clone(), first.clone(), first]);
    fleet.run(&["status", "playbook.yaml"]).expect(0);

    // To what was there before certwave: plain files, and no copies.
    fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
    assert_eq!(std::fs::read_to_string(&tls).unwrap(), "something else\n");
    assert!(!key.exists() && !store.exists() && !chain.exists());
    for (name, before) in ["api.crt", "api.key"].into_iter().zip(plain) {
        assert!(!ssl(&fleet, name).is_symlink());
        assert_eq!(std::fs::read(ssl(&fleet, name)).unwrap(), before);
    }
    // The password is in no plan, no journal and on no host.
    let found = std::process::Command::new("grep")
        .args(["-rlF", PASSWORD, fleet.lab.directory().to_str().unwrap()])
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.lines().all(|path| path.ends_with("p12.password")), "{found}");
}
