//! The payload, read by tar.

use std::io::Write;
use std::process::{Command, Stdio};

use certwave::install::{FilePart, Layout, StagePayload};
use certwave::model::Secret;

use crate::support::version;

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

const PROGRAMS: [&[&str]; 2] = [&["tar"], &["busybox", "tar"]];

fn payload(name: &str) -> StagePayload {
    let layout = Layout::new("/etc/certwave".parse().unwrap(), name.parse().unwrap());
    let files = [
        (FilePart::Cert.into(), Secret::new(b"abc".to_vec())),
        (FilePart::Privkey.into(), Secret::new(vec![b'k'; 513])),
    ];
    StagePayload::new(&layout, &version(1), &files, 0o640)
}

#[test]
fn tar_reads_the_payload_and_the_manifest_comes_last() {
    // As long as it can be with its link.
    for name in ["a.test".to_owned(), "n".repeat(63)] {
        let payload = payload(&name);
        assert_eq!(payload.folder, format!("archive/{name}/.{}.partial.new", version(1)));
        assert_eq!(payload.bytes.size(), 512 + 2 * 512 + (512 + 1024) + 2 * 512 + 1024);
        let folder = &payload.folder;
        for program in PROGRAMS {
            let names = tar(program, &["-tf", "-"], &payload.bytes);
            let files = ["cert.pem", "privkey.pem", ".manifest"].map(|file| format!("{folder}/{file}\n"));
            assert_eq!(names, format!("live/.{name}~{}\n{}", version(1), files.concat()));
            let manifest = tar(program, &["-xOf", "-", &format!("{folder}/.manifest")], &payload.bytes);
            let first = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  cert.pem\n";
            assert!(manifest.starts_with(first), "{manifest}");
            let listed = tar(program, &["-tvf", "-"], &payload.bytes);
            let modes: Vec<&str> = listed.lines().map(|line| &line[..10]).collect();
            assert_eq!(modes, ["lrwxrwxrwx", "-rw-r--r--", "-rw-r-----", "-rw-------"]);
            let target = format!(" -> ../archive/{name}/{}\n", version(1));
            assert!(listed.contains(&target), "{listed}");
        }
    }
}

#[test]
fn names_that_are_too_long_for_tar_come_in_a_plain_folder() {
    let payload = payload(&"n".repeat(64));
    assert_eq!(payload.folder, "new");
    for program in PROGRAMS {
        assert_eq!(
            tar(program, &["-tf", "-"], &payload.bytes),
            "new/cert.pem\nnew/privkey.pem\nnew/.manifest\n"
        );
    }
}
