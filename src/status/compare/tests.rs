//! Each difference is named for what it is.

use super::*;
use crate::certificate::KeyAlgorithm;
use crate::install::{Armed, Fired, Guard};
use crate::status::testing::World;

fn words(world: &World) -> String {
    World::masked(&world.row().words().unwrap_or_else(|| "nothing".to_owned()))
}

#[test]
fn each_drift_is_named_for_what_it_is() {
    let world = World::new;
    let texts = [
        words(&world()),
        words(&world().serving("old")),
        words(&world().serving("old").linked("old")),
        words(&world().linked("old")),
        words(&world().holding(&["new"]).linked("old")),
        words(&world().serving("old").holding(&["old"])),
        words(&world().holding(&["new", "old"])),
        words(&world().serving("foreign").linked("none")),
        words(&world().serving("foreign").straying()),
        words(&world().serving("lapsed").linked("lapsed")),
        words(&world().disk(|disk| disk.live = Live::Foreign)),
        words(&world().disk(|disk| disk.damaged = true)),
        words(&world().disk(|disk| {
            let (target, previous) = (World::version("new"), World::version("old"));
            disk.armed = Some(Armed { target, previous, guard: Guard::Process });
        })),
        words(&world().serving("old").linked("old").disk(|disk| {
            let (target, previous) = (World::version("new"), World::version("old"));
            disk.fired = Some(Fired { at: Timestamp::UNIX_EPOCH, target, previous, problem: None });
        })),
        words(&world().without_login()),
        words(&world().silent().without_login()),
    ];
    insta::assert_snapshot!(texts.join("\n"), @"
    nothing
    the reload did not happen: new_____ is on disk, old_____ is served
    outdated: still serves version 20261115T080000Z-00000000; the live link points to 20261115T080000Z-00000000
    memory differs from disk: a restart would serve old_____; the live link points to 20261115T080000Z-00000000
    memory differs from disk: a restart would serve old_____; the live link points to 20261115T080000Z-00000000
    the reload did not happen: new_____ is on disk, old_____ is served
    another certificate is in memory (serial <serial of old>) than is served (new_____)
    a certificate from another tool is served: foreign_ for b.test, by CN=Other CA; the certificate is not for `a.test`; nothing was installed there yet
    a certificate from another tool is served: foreign_ for b.test, by CN=Other CA; the certificate is not for `a.test`; `/etc/ssl/a.crt` does not lead to the live version
    another certificate of certwave's store is served: lapsed__ for a.test; check the virtual host; it expired on 2027-01-12T08:00:00Z; the live link points to 20261115T080000Z-00000000
    the live link is not certwave's
    the live version's files are not what was installed
    not confirmed yet: without that the host goes back to 20261115T080000Z-00000000 by itself
    outdated: still serves version 20261115T080000Z-00000000; the live link points to 20261115T080000Z-00000000, which the host's dead-man switch put back
    no SSH: connect to 192.0.2.1:22: no answer
    no answer: connection refused; no SSH: connect to 192.0.2.1:22: no answer
    ");
}

#[test]
fn what_is_served_and_what_differs_are_two_things() {
    assert!(World::new().row().serves());
    let behind = World::new().holding(&["new"]).linked("old").row();
    assert!(behind.serves() && behind.drifts.iter().any(|drift| drift.code() == "disk_behind"));
    assert!(!World::new().serving("old").row().serves());
    let held = World::new().holding(&["new"]).row().memory.unwrap();
    assert_eq!(held.fingerprint_sha256, Some(World::new().leaf("new").fingerprint));
}

#[test]
fn days_are_whole_and_below_zero_once_it_expired() {
    let at = |second| Timestamp::from_second(second).unwrap();
    assert_eq!(days_left(at(86_400), at(0)), 1);
    assert_eq!(days_left(at(86_399), at(0)), 0);
    assert_eq!(days_left(at(0), at(1)), -1);
}

#[test]
fn a_dead_mans_switch_counts_for_the_version_that_is_live() {
    let version = World::version;
    let armed = |target, guard| {
        World::new().disk(|disk| disk.armed = Some(Armed { target, previous: version("old"), guard }))
    };
    assert_eq!(words(&armed(version("old"), Guard::Nobody)), "nothing");
    assert!(
        words(&armed(version("new"), Guard::Process))
            .ends_with("goes back to 20261115T080000Z-00000000 by itself")
    );
    // Its file alone promises nothing.
    for (guard, promise) in [
        (Guard::Nobody, "nobody puts 20261115T080000Z-00000000 back: "),
        (Guard::Boot, "nobody puts 20261115T080000Z-00000000 back before the host's next boot: "),
    ] {
        let said = words(&armed(version("new"), guard));
        assert!(said.contains(promise) && said.contains("`certwave resume`"), "{said}");
    }
    let fired = |previous| {
        World::new().serving("old").linked("old").disk(|disk| {
            let (at, target) = (Timestamp::UNIX_EPOCH, version("new"));
            disk.fired = Some(Fired { at, target, previous, problem: None });
        })
    };
    assert!(words(&fired(version("old"))).ends_with("which the host's dead-man switch put back"));
    // What it put back is not what is live now.
    assert!(words(&fired(version("new"))).ends_with("the live link points to 20261115T080000Z-00000000"));
}

#[test]
fn what_is_dialled_through_a_host_is_not_known_without_a_login() {
    let world = || World::new().through_the_host().silent().without_login();
    assert_eq!(words(&world()), "no SSH: connect to 192.0.2.1:22: no answer");
    assert_eq!(words(&World::new().through_the_host().silent()), "no answer: connection refused");
}

#[test]
fn what_is_served_with_one_kind_of_key_is_compared_with_that_kind() {
    let file = |key| {
        let row = World::new().with_key(key).holding(&["new"]).row();
        (row.file.is_some(), row.memory.is_some())
    };
    assert_eq!(file(KeyAlgorithm::Ecdsa), (true, true));
    assert_eq!(file(KeyAlgorithm::Rsa), (false, false));
}

/// HAProxy 2.6 tells neither the fingerprint nor the kind of some keys.
#[test]
fn what_a_server_does_not_say_of_a_certificate_is_no_difference() {
    let untold = |name: &str| {
        let leaf = World::new().leaf(name);
        let held = service::Held { sha1: None, algorithm: None, ..service::Held::from(leaf) };
        World::new().with_memory(Ok(service::Holds { certificates: vec![held], names: Vec::new() }))
    };
    assert_eq!(words(&untold("new")), "nothing");
    assert_eq!(words(&untold("new").with_key(KeyAlgorithm::Ecdsa)), "nothing");
    assert!(untold("new").with_key(KeyAlgorithm::Ecdsa).row().memory.is_some());
    assert!(words(&untold("old")).starts_with("another certificate is in memory"));
    // It may be of another kind than the one that is asked for.
    assert_eq!(words(&untold("old").with_key(KeyAlgorithm::Ecdsa)), "nothing");
}

#[test]
fn what_memory_or_a_disk_did_not_say_is_a_difference_of_its_own() {
    let codes = |world: &World| world.row().drifts.iter().map(Drift::code).collect::<Vec<_>>();
    let memory = World::new().with_memory(Err("HAProxy holds no certificate `/a.pem`".to_owned()));
    assert_eq!(codes(&memory), ["memory_unreadable"]);
    assert_eq!(words(&memory), "its memory could not be read: HAProxy holds no certificate `/a.pem`");
    let disk = World::new().without_disk("sudo refused");
    assert_eq!(codes(&disk), ["disk_unreadable"]);
    assert_eq!(words(&disk), "its disk could not be read: sudo refused");
    assert!(disk.row().serves() && disk.row().file.is_none());
}

#[test]
fn a_certificate_lasts_as_long_as_the_chain_that_is_served_with_it() {
    let short = World::new().under_a_short_intermediate();
    assert_eq!((World::new().row().days_left, short.row().days_left), (Some(89), Some(2)));
    assert_eq!((World::new().entry().days_left, short.entry().days_left), (Some(89), Some(2)));
    assert_eq!(short.entry().leaf.unwrap().expires(), short.leaf("short").not_after);
}

#[test]
fn a_certificate_has_expired_in_its_last_second() {
    let ending = World::new().serving("ending").linked("ending").row();
    assert_eq!(ending.days_left, Some(0));
    assert!(ending.drifts.iter().any(|drift| drift.code() == "expired"), "{:?}", ending.drifts);
}

#[test]
fn what_only_the_new_certificate_can_be_blamed_for_is_not_said_of_another() {
    let codes = |world: World| world.row().drifts.iter().map(Drift::code).collect::<Vec<_>>();
    // Both are sent without the intermediate.
    assert_eq!(codes(World::new().serving_alone("new")), ["incomplete_chain"]);
    assert_eq!(
        codes(World::new().serving_alone("old").linked("old")),
        ["other_certificate", "link_elsewhere"]
    );
}
