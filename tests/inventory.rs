//! The inventory against Ansible itself: same input, same answer. The expected answers in
//! `tests/fixtures/inventory` were given by ansible-core; with Ansible on the path they are asked for anew.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test says what it expects by failing.

#[path = "common/require.rs"]
mod require;

use std::path::{Path, PathBuf};
use std::process::Command;

use certwave::inventory::{FileKind, Inventory, InventoryFile, Pattern, PatternError};
use certwave::yaml::{Problems, Sources};
use proptest::prelude::*;
use serde_json::Value;

/// Folders in `tests/fixtures/inventory`: each has an inventory, and what Ansible says of it.
const INVENTORIES: [&str; 2] = ["fleet", "edges"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inventory").join(name)
}

fn load(name: &str) -> Inventory {
    let (mut sources, mut problems, mut files) = (Sources::default(), Problems::default(), Vec::new());
    let mut paths = vec!["hosts.yaml".to_owned()];
    for folder in ["group_vars", "host_vars"] {
        let entries = std::fs::read_dir(fixture(name).join(folder)).unwrap();
        paths.extend(entries.map(|one| format!("{folder}/{}", one.unwrap().file_name().display())));
    }
    for path in paths {
        let text = std::fs::read_to_string(fixture(name).join(&path)).unwrap();
        let kind = FileKind::of_path(&path);
        files.push(InventoryFile { source: sources.add(path, text), kind });
    }
    let inventory = Inventory::parse(&sources, &files, &mut problems);
    let texts: Vec<String> =
        problems.sorted().iter().map(|problem| problem.render(&sources, false)).collect();
    inventory.unwrap_or_else(|| panic!("{}", texts.join("\n")))
}

/// Each pattern, and the hosts that Ansible selects by it.
fn recorded(name: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(fixture(name).join("patterns.txt")).unwrap();
    text.lines()
        .map(|line| {
            let (pattern, hosts) = line.split_once(" =>").unwrap();
            (pattern.to_owned(), hosts.trim().to_owned())
        })
        .collect()
}

/// Sorts what is a set, drops what Ansible adds for itself.
fn normal(mut list: Value) -> Value {
    if let Some(groups) = list.as_object_mut() {
        groups.sort_keys();
        if let Some(meta) = groups.get_mut("_meta").and_then(Value::as_object_mut) {
            meta.remove("profile");
        }
        for group in groups.values_mut().filter_map(Value::as_object_mut) {
            for members in group.values_mut().filter_map(Value::as_array_mut) {
                members.sort_by_key(ToString::to_string);
            }
        }
    }
    list
}

/// The hosts that a pattern selects; none where nothing has such a name, of which Ansible only warns.
fn selected(inventory: &Inventory, pattern: &str) -> String {
    match inventory.select(&pattern.parse().unwrap()) {
        Ok(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(PatternError::Unknown { .. }) => String::new(),
        Err(other) => panic!("{pattern}: {other}"),
    }
}

#[test]
fn lists_and_patterns_are_as_ansible_gave_them() {
    for name in INVENTORIES {
        let inventory = load(name);
        let expected = std::fs::read_to_string(fixture(name).join("list.json")).unwrap();
        assert_eq!(normal(inventory.to_list_json()), normal(serde_json::from_str(&expected).unwrap()));
        for (pattern, hosts) in recorded(name) {
            assert_eq!(selected(&inventory, &pattern), hosts, "{name}: {pattern}");
        }
    }
}

#[test]
fn lists_and_patterns_are_as_ansible_gives_them_here() {
    if !require::program("ansible-inventory") {
        return;
    }
    for name in INVENTORIES {
        let path = fixture(name).join("hosts.yaml");
        let list = Command::new("ansible-inventory").args(["--list", "-i"]).arg(&path).output().unwrap();
        assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
        let inventory = load(name);
        let listed = serde_json::from_slice(&list.stdout).unwrap();
        assert_eq!(normal(inventory.to_list_json()), normal(listed));
        // Ansible takes a second to start: some patterns, and all of them when they are recorded.
        let patterns = recorded(name);
        for (pattern, _) in patterns.iter().step_by(patterns.len().div_ceil(5)) {
            let output =
                Command::new("ansible").args([pattern, "--list-hosts", "-i"]).arg(&path).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let hosts: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
            assert_eq!(selected(&inventory, pattern), hosts.join(" "), "{pattern}");
        }
    }
}

#[test]
fn a_test_that_lacks_something_is_skipped_aloud_or_fails() {
    let without_ansible = |required: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lists_and_patterns_are_as_ansible_gives_them_here"])
            .env("PATH", fixture("fleet"))
            .env("CERTWAVE_TEST_REQUIRE", required)
            .output()
            .unwrap()
    };
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let skipped = without_ansible("");
    assert!(skipped.status.success(), "{}", words(&skipped.stdout));
    let said = words(&skipped.stderr);
    assert!(said.contains("skipped: ") && said.contains("it needs `ansible-inventory`"), "{said}");
    for (required, told) in [
        ("all", "needs `ansible-inventory`: `sh tests/setup.sh tests` installs it"),
        ("everything", "`CERTWAVE_TEST_REQUIRE=everything` is not `all`"),
    ] {
        let failed = without_ansible(required);
        let said = words(&failed.stdout);
        assert!(!failed.status.success() && said.contains(told), "{said}");
    }
}

#[test]
fn ten_thousand_hosts_are_no_trouble() {
    let listed: String = (0..10_000).map(|n| format!("    h{n}.x: {{port: {n}}}\n")).collect();
    let text = format!("web:\n  hosts:\n    r[00000:09999].x:\n{listed}");
    let mut sources = Sources::default();
    let source = sources.add("big.yaml", text);
    let file = InventoryFile { source, kind: FileKind::Inventory };
    let inventory = Inventory::parse(&sources, &[file], &mut Problems::default()).unwrap();
    assert_eq!(inventory.hosts().len(), 20_000);
    assert_eq!(selected(&inventory, "web[-1]"), "h9999.x");
}

proptest! {
    #[test]
    fn no_text_makes_the_inventory_panic(text in "[ -~\n\t\u{80}-\u{ff}]{0,200}") {
        let mut sources = Sources::default();
        let source = sources.add("x.yaml", text.as_str());
        let file = InventoryFile { source, kind: FileKind::Inventory };
        let mut problems = Problems::default();
        Inventory::parse(&sources, &[file], &mut problems);
        problems.sorted().iter().for_each(|problem| drop(problem.render(&sources, false)));
    }

    #[test]
    fn no_pattern_panics(text in "\\PC{0,40}") {
        if let Ok(pattern) = text.parse::<Pattern>() {
            drop(load("fleet").select(&pattern));
        }
    }
}
