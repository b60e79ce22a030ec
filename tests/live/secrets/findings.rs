//! What a certificate that was installed can be wrong in, each with its own words.

use std::path::Path;
use std::process::Command;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

use crate::support::{Fleet, Run};

pub(crate) type Issued = (X509, PKey<Private>);

/// A certificate, by itself or by another; one without names is an authority.
pub(crate) fn issue(subject: &str, issuer: Option<&Issued>, names: &[&str]) -> Issued {
    issue_on(Nid::X9_62_PRIME256V1, subject, issuer, names)
}

/// The same with a key on another curve.
pub(crate) fn issue_on(curve: Nid, subject: &str, issuer: Option<&Issued>, names: &[&str]) -> Issued {
    let group = EcGroup::from_curve_name(curve).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    certify(key, subject, issuer, names)
}

/// A certificate for a key that is there already.
pub(crate) fn certify(key: PKey<Private>, subject: &str, issuer: Option<&Issued>, names: &[&str]) -> Issued {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", subject).unwrap();
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(issuer.map_or(&name, |(issuer, _)| issuer.subject_name())).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(60).unwrap()).unwrap();
    if names.is_empty() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    } else {
        let mut alternative = SubjectAlternativeName::new();
        names.iter().for_each(|name| {
            alternative.dns(name);
        });
        let extension = alternative.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(extension).unwrap();
    }
    builder.sign(issuer.map_or(&key, |(_, key)| key), MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

fn pem(certificates: &[&Issued]) -> Vec<u8> {
    certificates.iter().flat_map(|(one, _)| one.to_pem().unwrap()).collect()
}

/// Has a fleet take its certificate from files: this chain, with the key of its leaf and its root trusted.
pub(crate) fn from_files(fleet: &Fleet, chain: &[&Issued], root: &Issued) {
    let folder = fleet.lab.directory();
    write(&folder.join("chain.pem"), &pem(chain));
    write(&folder.join("key.pem"), &chain[0].1.private_key_to_pem_pkcs8().unwrap());
    let roots = [std::fs::read(folder.join("roots.pem")).unwrap(), pem(&[root])].concat();
    write(&folder.join("roots.pem"), &roots);
    let playbook = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    let issuers = &playbook[playbook.find("issuers:").unwrap()..playbook.find("services:").unwrap()];
    fleet.edit(issuers, "issuers:\n  - files: {certificate: chain.pem, key: key.pem}\n\n");
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_chain_in_the_wrong_order() {
    let fleet = Fleet::start(1);
    let root = issue("root", None, &[]);
    let upper = issue("upper", Some(&root), &[]);
    let lower = issue("lower", Some(&upper), &[]);
    let leaf = issue("leaf", Some(&lower), &["api.lab.test"]);
    from_files(&fleet, &[&leaf, &lower, &upper], &root);
    fleet.roll_out(&[]).expect(0);

    // OpenSSL's own verification does not mind; others do.
    let swapped = fleet.lab.hosts[0].root.join("etc/ssl/swapped.crt");
    write(&swapped, &pem(&[&leaf, &upper, &lower]));
    let config = &fleet.lab.hosts[0].nginx.config;
    let text = std::fs::read_to_string(config).unwrap();
    write(config, text.replace("/api.crt;", "/swapped.crt;").as_bytes());
    fleet.lab.hosts[0].nginx.process.signal(nix::sys::signal::Signal::SIGHUP);
    let mut seen = String::new();
    // The old worker answers for a moment.
    let found = || {
        let run = fleet.run(&["status", "playbook.yaml", "--output", "json"]);
        seen = run.stdout;
        run.code == 1
    };
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(60), found), "all is well");
    assert!(seen.contains("the chain is sent in the wrong order"), "{seen}");
    assert!(!seen.contains("not trusted"), "{seen}");
}

#[test]
fn a_name_that_it_is_not_for() {
    let fleet = Fleet::start(1);
    let before = fleet.all_served();
    fleet.edit("  timeout: 20s", "  timeout: 5s\n  server_name: other.lab.test");
    let run = fleet.roll_out(&[]).expect(3);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("the new certificate is served, but the certificate is not for `other.lab.test`"),
        "{reason}"
    );
    assert_eq!(fleet.all_served(), before);
}

/// `status` on a controller whose clock says another day.
fn on_another_day(fleet: &Fleet, offset: &str) -> Run {
    let real = fleet.command(&["status", "playbook.yaml", "--output", "json"]);
    let mut command = Command::new("faketime");
    command.args(["-f", offset]).arg(real.get_program()).args(real.get_args());
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").current_dir(fleet.lab.directory());
    for (name, value) in real.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Run::new(command.output().unwrap())
}

#[test]
fn a_day_on_which_it_is_not_valid() {
    let fleet = Fleet::start(1);
    fleet.roll_out(&[]).expect(0);
    on_another_day(&fleet, "+1d").expect(0);
    let late = on_another_day(&fleet, "+4000d").expect(1).stdout;
    assert!(late.contains("it expired on") && !late.contains("not trusted"), "{late}");
    let early = on_another_day(&fleet, "-10d").expect(1).stdout;
    assert!(early.contains("it is not valid before") && !early.contains("not trusted"), "{early}");
}
