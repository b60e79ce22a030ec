//! The payload, read by tar.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::install::FilePart;

fn version() -> Version {
    "20261123T200100Z-3f9a1c2e".parse().unwrap()
}

fn tar(program: &[&str], arguments: &[&str], archive: &Secret) -> String {
    let mut tar = Command::new(program[0])
        .args(&program[1..])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(archive.expose()).unwrap();
    let output = tar.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Those that are here.
fn programs() -> impl Iterator<Item = &'static [&'static str]> {
    let all: [&[&str]; 2] = [&["tar"], &["busybox", "tar"]];
    all.into_iter().filter(|program| Command::new(program[0]).arg("--help").output().is_ok())
}

fn payload(name: &str) -> StagePayload {
    let name: CertificateName = name.parse().unwrap();
    let files = [
        (FilePart::Cert.into(), Secret::new(b"abc".to_vec())),
        (FilePart::Privkey.into(), Secret::new(vec![b'k'; 513])),
        (FilePart::Combined.into(), Secret::new(vec![b'c'; 512])),
    ];
    StagePayload::new(&name, &version(), &files)
}

#[test]
fn tar_reads_the_payload_and_the_manifest_comes_last() {
    // As long as it can be with its link.
    for name in ["a.test".to_owned(), "n".repeat(63)] {
        let payload = payload(&name);
        assert_eq!(payload.folder, format!("archive/{name}/.{}.partial.new", version()));
        assert_eq!(payload.bytes.size(), 512 + 2 * 512 + (512 + 1024) + 2 * 512 + 2 * 512 + 1024);
        let folder = &payload.folder;
        for program in programs() {
            let names = tar(program, &["-tf", "-"], &payload.bytes);
            let files = ["cert.pem", "privkey.pem", "combined.pem", ".manifest"]
                .map(|file| format!("{folder}/{file}\n"));
            assert_eq!(names, format!("live/.{name}~{}\n{}", version(), files.concat()));
            let manifest = tar(program, &["-xOf", "-", &format!("{folder}/.manifest")], &payload.bytes);
            let first = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  cert.pem\n";
            assert!(manifest.starts_with(first), "{manifest}");
            assert_eq!(manifest.lines().count(), 3);
            let listed = tar(program, &["-tvf", "-"], &payload.bytes);
            let modes: Vec<&str> = listed.lines().map(|line| &line[..10]).collect();
            assert_eq!(modes, ["lrwxrwxrwx", "-rw-r--r--", "-rw-------", "-rw-------", "-rw-------"]);
            let target = format!(" -> ../archive/{name}/{}\n", version());
            assert!(listed.contains(&target), "{listed}");
        }
    }
}

#[test]
fn names_that_are_too_long_for_tar_come_in_a_plain_folder() {
    let payload = payload(&"n".repeat(64));
    assert_eq!(payload.folder, "new");
    for program in programs() {
        assert_eq!(
            tar(program, &["-tf", "-"], &payload.bytes),
            "new/cert.pem\nnew/privkey.pem\nnew/combined.pem\nnew/.manifest\n"
        );
    }
}
