//! The payload, read by tar.

use std::io::Write;
use std::process::{Command, Stdio};

use certwave::install::{FilePart, stage_payload, tar_archive};
use certwave::model::Secret;

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

#[test]
fn tar_reads_the_archive() {
    let key = Secret::new(vec![b'k'; 513]);
    let archive =
        tar_archive(&[("privkey.pem", key, 0o600), ("cert.pem", Secret::new(b"c".to_vec()), 0o644)]);
    assert_eq!(archive.expose().len(), 512 + 1024 + 512 + 512 + 1024);
    for program in [&["tar"][..], &["busybox", "tar"]] {
        assert_eq!(tar(program, &["-tf", "-"], &archive), "privkey.pem\ncert.pem\n");
        assert_eq!(tar(program, &["-xOf", "-", "cert.pem"], &archive), "c");
        assert!(tar(program, &["-tvf", "-"], &archive).starts_with("-rw------- "));
    }
}

#[test]
fn the_manifest_comes_last() {
    let payload = stage_payload(&[(FilePart::Cert.into(), Secret::new(b"abc".to_vec()))], 0o600);
    assert_eq!(tar(&["tar"], &["-tf", "-"], &payload), "cert.pem\n.manifest\n");
    assert_eq!(
        tar(&["tar"], &["-xOf", "-", ".manifest"], &payload),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  cert.pem\n"
    );
}
