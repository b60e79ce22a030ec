//! Hosts that answer names of the certificate by several server blocks, or leave some of them to others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use certwave::lab::{Authority, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Fleet, Run, leaf};

const WWW: &str = "www.lab.test";
const PATIENCE: Duration = Duration::from_secs(60);

/// A host whose certificate has two names, rolled out once.
fn two_names() -> Fleet {
    let fleet = Fleet::start(1);
    fleet.edit("domains: [api.lab.test]", &format!("domains: [api.lab.test, {WWW}]"));
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(www(&fleet), run.leaf());
    assert!(!risks(&run).iter().any(|risk| risk.contains(WWW)), "{}", run.last());
    fleet
}

/// The SHA-256 of the leaf that the second name is answered with.
fn www(fleet: &Fleet) -> String {
    leaf(fleet.lab.hosts[0].nginx.https, WWW, "")
}

/// A server block of its own for the second name, which reads other files.
fn block_of_its_own(fleet: &Fleet, certificate: &Path, key: &Path) {
    let nginx = &fleet.lab.hosts[0].nginx;
    let before = www(fleet);
    let config = std::fs::read_to_string(&nginx.config).unwrap();
    let block = format!(
        "    server {{\n        listen {} ssl;\n        server_name {WWW};\n        ssl_certificate {};\n        \
         ssl_certificate_key {};\n    }}\n}}\n",
        nginx.https,
        certificate.display(),
        key.display()
    );
    std::fs::write(&nginx.config, config.trim_end().strip_suffix('}').unwrap().to_owned() + &block).unwrap();
    let master = i32::try_from(nginx.process.id()).unwrap();
    kill(Pid::from_raw(master), Signal::SIGHUP).unwrap();
    let changes = std::fs::read(certificate).unwrap() != std::fs::read(live(fleet, "fullchain.pem")).unwrap();
    assert!(!changes || wait_for(PATIENCE, || www(fleet) != before));
}

fn live(fleet: &Fleet, file: &str) -> PathBuf {
    fleet.lab.hosts[0].root.join("etc/ssl").join(if file == "privkey.pem" { "api.key" } else { "api.crt" })
}

fn risks(run: &Run) -> Vec<String> {
    let last = run.last();
    let all = last["hosts"][0]["risks"].as_array().unwrap();
    all.iter().map(|risk| risk["text"].as_str().unwrap().to_owned()).collect()
}

/// It was copied once, and nobody thought of it again.
#[test]
fn a_name_whose_server_block_reads_a_copy_is_not_called_done() {
    let fleet = two_names();
    let copies = ["fullchain.pem", "privkey.pem"].map(|file| {
        let copy = fleet.lab.hosts[0].root.join(format!("copy-{file}"));
        std::fs::copy(live(&fleet, file), &copy).unwrap();
        copy
    });
    block_of_its_own(&fleet, &copies[0], &copies[1]);
    let before = [fleet.served(0), www(&fleet)];
    let plan = fleet.run(&["plan", "playbook.yaml", "--force"]).expect(0);
    assert!(plan.stdout.contains(&format!("reads `{}` for {WWW}", copies[0].display())), "{}", plan.stdout);
    let run = fleet.roll_out(&["--force"]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back"]);
    let reason = run.error(0);
    assert!(reason.ends_with(&format!("for {WWW}: still the previous certificate is served")), "{reason}");
    assert_eq!([fleet.served(0), www(&fleet)], before);
    // The way back was watched as the way there was.
    let back =
        run.lines().into_iter().find(|line| line["step"] == "rollback" && line["result"] == "rolled_back");
    let back = back.unwrap_or_else(|| panic!("{}", run.stdout));
    assert!(back["measured"]["handshakes"]["tried"].as_u64().unwrap() > 0, "{back}");
}

#[test]
fn a_name_that_is_another_certificates_is_told_and_does_not_fail_its_host() {
    let fleet = two_names();
    let root = &fleet.lab.hosts[0].root;
    let (certificate, key) = (root.join("other.crt"), root.join("other.key"));
    let (chain, secret) = Authority::new("Other").unwrap().issue(&[WWW], -1, 30).unwrap();
    std::fs::write(&certificate, chain).unwrap();
    std::fs::write(&key, secret).unwrap();
    block_of_its_own(&fleet, &certificate, &key);
    let told = format!("answers {WWW} with another certificate, for {WWW} by `CN=Other`");
    let plan = fleet.run(&["plan", "playbook.yaml", "--force"]).expect(0);
    assert!(plan.stdout.contains(&told), "{}", plan.stdout);
    let run = fleet.roll_out(&["--force"]).expect(0);
    assert!(risks(&run).iter().any(|risk| risk.contains(&told)), "{}", run.last());
    assert_eq!(fleet.served(0), run.leaf());
    assert_ne!(www(&fleet), run.leaf());
    let status = fleet.run(&["status", "playbook.yaml"]).expect(0);
    assert!(status.stdout.contains("elsewhere"), "{}", status.stdout);
    assert!(status.stdout.contains(&format!("for {WWW}: another certificate answers")), "{}", status.stdout);
    fleet.run(&["verify", "playbook.yaml"]).expect(0);
    // Named in the playbook, it has to be served.
    fleet.edit("verify:\n", &format!("verify:\n  server_name: [api.lab.test, {WWW}]\n"));
    let refused = fleet.roll_out(&["--force"]).expect(1).error(0);
    assert!(refused.contains("another certificate is served"), "{refused}");
}
