//! The rules of `docs/architecture.md`, held.

#![allow(clippy::unwrap_used)] // A test says what it expects by failing.

use std::path::{Path, PathBuf};

/// Lowest first. A module names only modules on lower floors.
const FLOORS: [&[&str]; 10] = [
    &["model"],
    &["yaml", "certificate"],
    &["install", "verify", "gate"],
    &["inventory", "playbook", "service"],
    &["plan", "renewal"],
    &["rollout", "status"],
    &["preview"],
    &["engine"],
    &["ssh", "acme", "tls", "store", "report", "lab"],
    &["cli"],
];
/// Below this floor nothing touches the world.
const PURE: usize = 7;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 50, "the sources were not found");
    files
}

/// The room that a file is in: `src/ssh/exec.rs` is in `ssh`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The code without its tests and comments.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn named_rooms(code: &str) -> Vec<String> {
    let rooms = code.split("crate::").skip(1);
    rooms.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn a_module_names_only_modules_on_lower_floors() {
    for (path, text) in sources() {
        let own = room(&path);
        let Some(here) = floor(&own) else {
            assert!(matches!(own.as_str(), "lib" | "main"), "{} stands on no floor", path.display());
            continue;
        };
        for named in named_rooms(&code(&text)) {
            let Some(there) = floor(&named).filter(|_| named != own) else { continue };
            assert!(there < here, "{}: `{own}` names `{named}`, which is not below it", path.display());
        }
    }
}

#[test]
fn the_lower_floors_are_pure() {
    let forbidden = [
        "tokio::",
        "std::fs",
        "std::process",
        "std::env",
        "std::thread",
        "TcpStream",
        "UdpSocket",
        "SystemTime",
        "Instant",
        "Timestamp::now",
        "getrandom",
        "rand::",
    ];
    for (path, text) in sources() {
        let pure = floor(&room(&path)).is_some_and(|floor| floor < PURE) && !path.ends_with("testing.rs");
        for word in forbidden.iter().filter(|_| pure) {
            assert!(!code(&text).contains(word), "{} uses `{word}`", path.display());
        }
    }
}

#[test]
fn each_library_has_its_room() {
    let rules: [(&str, &[&str]); 12] = [
        ("granit_parser", &["yaml"]),
        ("russh", &["ssh", "lab"]),
        ("instant_acme", &["acme"]),
        ("reqwest", &["acme"]),
        ("hyper", &["acme", "engine"]),
        ("openssl::ssl", &["tls", "lab"]),
        ("openssl::cms", &["store"]),
        ("rustls", &["tls"]),
        ("indicatif", &["report"]),
        ("comfy_table", &["report", "cli"]),
        ("clap", &["cli"]),
        ("rusqlite", &["store"]),
    ];
    for (path, text) in sources() {
        for (library, rooms) in rules {
            let own = room(&path);
            let named = code(&text).contains(&format!("{library}::"));
            assert!(!named || rooms.contains(&own.as_str()), "{} uses `{library}`", path.display());
        }
    }
}

#[test]
fn secrets_are_taken_out_in_few_places() {
    let allowed = [
        "src/acme/account.rs",
        "src/acme/placed.rs",
        "src/certificate/bundle.rs",
        "src/engine/socket.rs",
        "src/install/archive.rs",
        "src/model/secret.rs",
        "src/service/runtime_api.rs",
        "src/ssh/exec.rs",
        "src/store/seal.rs",
        "src/store/seal_key.rs",
    ];
    for (path, text) in sources() {
        let known = allowed.iter().any(|file| path.ends_with(file));
        assert!(known || !code(&text).contains(".expose()"), "{} takes a secret out", path.display());
    }
}

#[test]
fn sealing_is_in_one_file() {
    for (path, text) in sources() {
        let one = path.ends_with("src/store/seal.rs");
        assert_eq!(one, code(&text).contains("openssl::cms"), "{} seals", path.display());
    }
}

#[test]
fn files_stay_small() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: is it still one thing?", path.display());
    }
}
