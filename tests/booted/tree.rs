//! Debian trees that hosts are made from: made once, kept in `target/booted`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

/// What every host has.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,nginx-light,haproxy,apache2,iproute2,\
                        procps,ca-certificates,socat,postfix,postgresql";
/// Changes with [`PACKAGES`], so that trees are made anew.
const MADE: &str = "made-3";

/// How to get what the lane needs.
const INSTALL: &str = "`sh tests/setup.sh booted` installs it";

static MAKING: Mutex<()> = Mutex::new(());

/// The folder of all that the lane keeps.
pub(crate) fn kept() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("booted")
}

/// The tree of a suite. Nobody changes it: hosts have overlays.
pub(crate) fn tree(suite: &str) -> PathBuf {
    needs();
    let (kept, _one) = (kept(), MAKING.lock());
    fs::create_dir_all(&kept).unwrap();
    // Other test programs make trees as well.
    let lock = File::create(kept.join("lock")).unwrap();
    lock.lock().unwrap();
    let (tree, made) = (kept.join(suite), kept.join(format!("{suite}.{MADE}")));
    if made.exists() {
        return tree;
    }
    let begun = Instant::now();
    let _ = fs::remove_dir_all(&tree);
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase", &format!("--include={PACKAGES}"), suite]);
    let output = command.arg(&tree).arg(mirror()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mmdebstrap failed for {suite}: {said}");
    fs::write(made, "").unwrap();
    println!("tree of {suite}: made in {:.0?}", begun.elapsed());
    tree
}

/// Whatever is missing is a failure, and not a reason to skip.
fn needs() {
    assert!(nix::unistd::geteuid().is_root(), "hosts are booted by root: run this lane as root");
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in ["mmdebstrap", "systemd-nspawn", "nsenter", "setpriv"] {
        let there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        assert!(there, "this lane needs `{program}`: {INSTALL}");
    }
}

/// The mirror that this machine's own apt uses for Debian.
fn mirror() -> String {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    files.extend(folder.map(|entry| entry.path()));
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let text: String = texts.map(|text| format!("{text}\n")).collect();
    let words = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let is_debian = |word: &&str| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian");
    words
        .map(str::to_owned)
        .find(|word| is_debian(&word.as_str()))
        .unwrap_or("http://deb.debian.org/debian".into())
}
