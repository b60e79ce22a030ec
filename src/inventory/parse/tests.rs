//! What an inventory says, and what is none.

use super::*;

fn read(text: &str) -> Result<Inventory, String> {
    let mut sources = Sources::default();
    let source = sources.add("hosts.yaml", text);
    let mut problems = Problems::default();
    let file = InventoryFile { source, kind: FileKind::Inventory };
    let inventory = Inventory::parse(&sources, &[file], &mut problems);
    inventory
        .ok_or_else(|| problems.sorted().iter().map(|one| one.message.clone()).collect::<Vec<_>>().join("\n"))
}

#[test]
fn overlapping_ranges_may_agree_and_may_not_differ() {
    let agreeing = "web:\n  hosts:\n    w[1:3]: {port: 1}\n    w[3:4]: {port: 1}\n";
    assert_eq!(read(agreeing).unwrap().hosts().len(), 4);
    let differing = "web:\n  hosts:\n    w[1:3]: {port: 1}\n    w[3:4]: {port: 2}\n";
    assert_eq!(
        read(differing).unwrap_err(),
        "`w[3:4]` overlaps an earlier range: `w3` is in both, with other variables"
    );
    let exception = "web:\n  hosts:\n    w[1:3]: {port: 1}\n    w3: {port: 2}\n";
    assert_eq!(read(exception).unwrap().host("w3").unwrap().text("port").as_deref(), Some("2"));
}

#[test]
fn a_group_that_is_written_twice_is_one() {
    let twice = "web:\n  vars: {a: 1, b: 1}\n  hosts: {w1: }\nall:\n  children:\n    web:\n      vars: {b: 2}\n      hosts: {w2: }\n";
    let inventory = read(twice).unwrap();
    assert_eq!(inventory.hosts_of("web").len(), 2);
    let text = |name| inventory.host("w1").unwrap().text(name);
    assert_eq!((text("a").as_deref(), text("b").as_deref()), (Some("1"), Some("2")));
}

#[test]
fn what_is_no_inventory_says_why() {
    for (text, words) in [
        ("a:\n  children:\n    b:\n      children:\n        a:\n", "groups contain each other: `a`, `b`"),
        ("web:\n  host:\n    w1:\n", "unknown key `host` in a group"),
        ("web:\n  hosts: [w1]\n", "expected hosts, found a list"),
        ("web:\n  hosts:\n    w1: {secret: !vault x}\n", "values encrypted by ansible-vault cannot be read"),
        ("web:\n  hosts:\n    w[3:1]:\n", "the range `[3:1]` cannot be expanded: it ends before it begins"),
        ("a b:\n  hosts:\n", "`a b` is not a name for a group"),
        ("web:\n  hosts:\n    w1: 7\n", "expected variables, found `7`"),
        ("- web\n", "expected groups of hosts, found a list"),
    ] {
        assert_eq!(read(text).unwrap_err(), words, "{text}");
    }
}
