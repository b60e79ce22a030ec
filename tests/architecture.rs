//! The rules of `docs/architecture.md`, held.

#![allow(clippy::unwrap_used)] // A test says what it expects by failing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lowest first. A module names only modules on lower floors.
const FLOORS: [&[&str]; 13] = [
    &["model"],
    &["yaml", "certificate"],
    &["install", "verify", "gate"],
    &["inventory", "playbook", "service"],
    &["plan", "renewal"],
    &["rollout", "status"],
    &["preview", "ledger"],
    &["ports"],
    &["bounded"],
    &["engine"],
    &["ssh", "acme", "tls", "store", "report", "lab", "clock"],
    &["operations"],
    &["cli"],
];
/// Below this floor nothing touches the world. The ports name the streams of tokio, and nothing else of it.
const PURE: usize = 7;

fn files(folder: &str) -> Vec<(PathBuf, String)> {
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
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    assert!(files.len() > 50, "the files of `{folder}` were not found");
    files
}

fn sources() -> Vec<(PathBuf, String)> {
    files("src")
}

/// The sources that are part of the program. A file of tests, or of their helpers, is not.
fn program() -> impl Iterator<Item = (PathBuf, String)> {
    sources().into_iter().filter(|(path, _)| {
        !path.iter().any(|part| ["tests", "tests.rs", "testing", "testing.rs"].iter().any(|one| part == *one))
    })
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
    for (path, text) in program() {
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

/// `src/ssh/exec.rs` as paths in the code name it: `ssh`, `exec`.
fn module(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let names = inside.with_extension("");
    let names = names.components().map(|name| name.as_os_str().to_string_lossy().into_owned());
    names.filter(|name| !matches!(name.as_str(), "mod" | "lib" | "main")).collect()
}

/// The paths that a text names after `start`, with `{a, b::c}` taken apart.
fn paths_after(text: &str, start: &str) -> Vec<Vec<String>> {
    text.split(start).skip(1).flat_map(|rest| tree(&mut rest.chars().peekable())).collect()
}

/// One `use` tree (The Rust Reference, "Use declarations"), or a plain path.
fn tree(text: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<Vec<String>> {
    let mut name = String::new();
    loop {
        match text.peek() {
            Some(c) if c.is_alphanumeric() || *c == '_' => name.extend(text.next()),
            Some(':') if !name.is_empty() => {
                text.next();
                if text.next_if_eq(&':').is_none() {
                    return vec![vec![name]];
                }
                let mut inner = tree(text);
                inner.iter_mut().for_each(|path| path.insert(0, name.clone()));
                return inner;
            }
            Some('{') => {
                text.next();
                let mut all = Vec::new();
                loop {
                    while text.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
                    if text.peek().is_none_or(|c| !c.is_alphanumeric() && *c != '_' && *c != '*') {
                        text.next();
                        return all;
                    }
                    all.extend(tree(text));
                    // An `as` and what follows it.
                    while text.next_if(|c| !matches!(c, ',' | '}')).is_some() {}
                }
            }
            _ => return vec![vec![name]],
        }
    }
}

/// Which files each file names: straight, or through the names that a `mod.rs` hands on.
fn imports() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let files: BTreeMap<Vec<String>, String> =
        sources().into_iter().map(|(path, text)| (module(&path), code(&text))).collect();
    // `pub use child::Name` in a module: the name is the child's.
    let mut handed_on: BTreeMap<(Vec<String>, String), Vec<String>> = BTreeMap::new();
    for (at, text) in &files {
        for path in ["pub use ", "pub(crate) use "].iter().flat_map(|start| paths_after(text, start)) {
            if let Some((name, of)) = path.split_last() {
                handed_on.insert((at.clone(), name.clone()), [at.as_slice(), of].concat());
            }
        }
    }
    let home = |path: &[String]| {
        let mut path = path.to_vec();
        loop {
            let known = (0..=path.len()).rev().find(|end| files.contains_key(&path[..*end]))?;
            let next = path.get(known).cloned().unwrap_or_default();
            match handed_on.get(&(path[..known].to_vec(), next)) {
                Some(to) => path = [to.as_slice(), &path[known..]].concat(),
                None => return Some(path[..known].to_vec()),
            }
        }
    };
    let named = |(at, text): (&Vec<String>, &String)| {
        let homes = paths_after(text, "crate::").into_iter().filter_map(|path| home(&path));
        (at.clone(), homes.filter(|to| to != at && !to.is_empty()).collect())
    };
    files.iter().map(named).collect()
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    let imports = imports();
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 500, "the imports were not found");
    let reached_from = |start: &Vec<String>| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start.clone()]);
        while let Some(file) = next.pop() {
            next.extend(imports[&file].iter().filter(|to| seen.insert((*to).clone())).cloned());
        }
        seen
    };
    let reached: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> =
        imports.keys().map(|file| (file, reached_from(file))).collect();
    let mut circles = Vec::new();
    for (from, to) in &imports {
        for to in to.iter().filter(|to| reached[to].contains(from)) {
            circles.push(format!("{} imports {}", from.join("/"), to.join("/")));
        }
    }
    assert!(circles.is_empty(), "these files import each other in circles:\n{}", circles.join("\n"));
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
    for (path, text) in program() {
        let pure = floor(&room(&path)).is_some_and(|floor| floor < PURE);
        for word in forbidden.iter().filter(|_| pure) {
            assert!(!code(&text).contains(word), "{} uses `{word}`", path.display());
        }
    }
}

#[test]
fn operations_know_no_terminal() {
    let forbidden =
        ["println!", "print!", "eprint", "stdout", "stderr", "stdin", "ExitCode", "Timestamp::now"];
    for (path, text) in sources().into_iter().filter(|(path, _)| room(path) == "operations") {
        for word in &forbidden {
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

/// Text of hosts, servers and CAs passes `report/out.rs` on its way to a terminal. The others here ask what the terminal is, or draw on it
/// what has passed.
#[test]
fn text_goes_out_by_one_way() {
    let allowed = [
        "src/cli/error.rs",
        "src/cli/printer.rs",
        "src/cli/settings.rs",
        "src/cli/terminal.rs",
        "src/report/out.rs",
        "src/report/progress/bars.rs",
    ];
    for (path, text) in program() {
        let code = code(&text);
        let writes =
            ["stdout()", "stderr()", "println!", "eprint!", " print!"].iter().any(|word| code.contains(word));
        let allowed = allowed.iter().any(|one| path.ends_with(one));
        assert!(!writes || allowed, "{} writes by a way of its own", path.display());
    }
    for (path, text) in
        program().filter(|(path, _)| path.ends_with("bars.rs") || path.ends_with("terminal.rs"))
    {
        assert!(text.contains("for_terminal("), "{} draws what it was given", path.display());
    }
}

#[test]
fn secrets_are_taken_out_in_few_places() {
    let allowed = [
        "src/acme/account.rs",
        "src/acme/placed.rs",
        "src/certificate/bundle.rs",
        "src/certificate/formats.rs",
        "src/engine/memory/socket.rs",
        "src/install/archive.rs",
        "src/model/secret.rs",
        "src/service/haproxy/runtime_api.rs",
        "src/ssh/exec.rs",
        "src/store/seal.rs",
        "src/store/seal_key.rs",
    ];
    for (path, text) in program() {
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
fn a_test_is_skipped_in_one_way() {
    let says = format!("{}skipped", '"');
    for (path, text) in files("tests") {
        let knows = ["tests/common/require.rs", "tests/inventory.rs"].iter().any(|file| path.ends_with(file));
        assert!(knows || !code(&text).contains(&says), "{} skips in a way of its own", path.display());
    }
}

#[test]
fn files_stay_small() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: is it still one thing?", path.display());
    }
}
