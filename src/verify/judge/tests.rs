//! The six states, and each finding beside what just is none.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, ToSpan};

use super::*;
use crate::certificate::testing::{Authority, LeafSpec, now};

struct World {
    root: Authority,
    middle: Authority,
    leaf: Certificate,
}

fn world() -> World {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let (leaf, _) = middle.issue(&LeafSpec::default());
    World { root, middle, leaf }
}

fn shown(chain: &[&Certificate], trust: Result<(), &str>) -> Observation {
    Observation::Served(Served {
        chain: chain.iter().map(|one| one.der.clone()).collect(),
        trust: trust.map_err(str::to_owned),
        protocol: "TLSv1.3".to_owned(),
        staple: None,
        took: Duration::ZERO,
    })
}

fn served(chain: &[&Certificate]) -> Observation {
    shown(chain, Ok(()))
}

fn expecting(world: &World) -> Expectation {
    Expectation {
        stays: false,
        chain: vec![world.leaf.fingerprint, world.middle.certificate.fingerprint],
        server_name: "a.test".parse().unwrap(),
        previous: Vec::new(),
        known: BTreeSet::new(),
    }
}

#[test]
fn the_six_states() {
    let world = world();
    let (other, _) = world.middle.issue(&LeafSpec::default());
    let expected = expecting(&world);
    let previous = Expectation { previous: vec![other.fingerprint], ..expected.clone() };
    let known = Expectation { known: [other.fingerprint].into(), ..expected.clone() };
    let reason = || "because".to_owned();
    let state = |expected: &Expectation, observed: &Observation| judge(expected, observed, now()).state;
    let whole = served(&[&world.leaf, &world.middle.certificate]);
    assert!(judge(&expected, &whole, now()).is_good());
    assert_eq!(state(&previous, &served(&[&other])), EndpointState::Previous);
    assert_eq!(state(&known, &served(&[&other])), EndpointState::Known);
    assert_eq!(state(&expected, &served(&[&other])), EndpointState::Unknown);
    assert_eq!(state(&expected, &Observation::NotTls(reason())), EndpointState::None);
    assert_eq!(state(&expected, &Observation::Unreachable(reason())), EndpointState::Unreachable);
    assert_eq!(state(&expected, &served(&[])), EndpointState::None);
}

#[test]
fn a_certificate_that_is_several_things_is_what_the_rollout_asks_for_first() {
    let world = world();
    let (other, _) = world.middle.issue(&LeafSpec::default());
    let both: Vec<Fingerprint> = vec![world.leaf.fingerprint, other.fingerprint];
    let expected = Expectation { known: both.iter().copied().collect(), previous: both, ..expecting(&world) };
    let state = |chain: &[&Certificate]| judge(&expected, &served(chain), now()).state;
    assert_eq!(state(&[&world.leaf, &world.middle.certificate]), EndpointState::New);
    assert_eq!(state(&[&other, &world.middle.certificate]), EndpointState::Previous);
    // Only what is sent first is the server's own.
    assert_eq!(state(&[&other, &world.leaf]), EndpointState::Previous);
    assert_eq!(state(&[&world.middle.certificate, &world.leaf]), EndpointState::Unknown);
}

#[test]
fn of_two_chains_of_one_leaf_only_the_wanted_one_is_new() {
    let world = world();
    let (leaf, middle) = (&world.leaf, &world.middle.certificate);
    let other = world.root.intermediate("Other").certificate;
    let expected = Expectation { previous: vec![leaf.fingerprint], ..expecting(&world) };
    let state = |chain: &[&Certificate]| judge(&expected, &served(chain), now()).state;
    assert_eq!(state(&[leaf, middle]), EndpointState::New);
    for before in [&[leaf][..], &[leaf, &other], &[leaf, middle, &other]] {
        assert_eq!(state(before), EndpointState::Previous);
    }
    // Where something else was served before, the new certificate is there, and there is something wrong with it.
    let judgement = judge(&expecting(&world), &served(&[leaf, &other]), now());
    assert_eq!((judgement.state, judgement.findings), (EndpointState::New, vec![Finding::OtherChain]));
}

#[test]
fn a_certificate_that_cannot_be_read_is_none_that_was_issued() {
    let mut cut = served(&[&world().leaf]);
    if let Observation::Served(served) = &mut cut {
        served.chain[0].truncate(100);
    }
    let judgement = judge(&expecting(&world()), &cut, now());
    assert_eq!((judgement.state, judgement.leaf.is_none()), (EndpointState::Unknown, true));
    assert!(matches!(judgement.findings.as_slice(), [Finding::Unreadable(_)]) && !judgement.is_good());
}

#[test]
fn the_chain_that_was_installed_is_sent_and_nothing_else() {
    let world = world();
    let (leaf, middle, root) = (&world.leaf, &world.middle.certificate, &world.root.certificate);
    let namesake = world.root.intermediate("Middle").certificate;
    let (short, long) = (vec![leaf, middle], vec![leaf, middle, root]);
    for (installed, sent, finding) in [
        (&short, vec![leaf, middle], None),
        (&short, vec![leaf], Some(Finding::IncompleteChain { served: 1, expected: 2 })),
        (&short, vec![leaf, middle, root], Some(Finding::ExtraRoot)),
        (&short, vec![leaf, middle, &namesake], Some(Finding::ExtraCertificates { count: 1 })),
        (&short, vec![leaf, middle, middle], Some(Finding::ExtraCertificates { count: 1 })),
        (&short, vec![leaf, middle, &namesake, root], Some(Finding::ExtraCertificates { count: 2 })),
        (&short, vec![leaf, middle, root, root], Some(Finding::ExtraCertificates { count: 2 })),
        (&short, vec![leaf, root], Some(Finding::OtherChain)),
        (&short, vec![leaf, &namesake], Some(Finding::OtherChain)),
        (&short, vec![leaf, root, middle], Some(Finding::OtherChain)),
        (&long, vec![leaf, middle, root], None),
        (&long, vec![leaf, root, middle], Some(Finding::WrongOrder)),
        (&long, vec![leaf, middle], Some(Finding::IncompleteChain { served: 2, expected: 3 })),
        (&long, vec![leaf, root], Some(Finding::OtherChain)),
    ] {
        let chain = installed.iter().map(|one| one.fingerprint).collect();
        let expected = Expectation { chain, ..expecting(&world) };
        let judgement = judge(&expected, &served(&sent), now());
        assert_eq!(judgement.is_good(), finding.is_none());
        assert_eq!(judgement.findings, Vec::from_iter(finding), "{} of {}", sent.len(), installed.len());
    }
}

#[test]
fn a_certificate_is_valid_from_its_first_second_and_not_in_its_last() {
    let world = world();
    let chain = served(&[&world.leaf, &world.middle.certificate]);
    let findings = |now| judge(&expecting(&world), &chain, now).findings;
    let (from, to) = (world.leaf.not_before, world.leaf.not_after);
    assert_eq!(findings(from - 1.second()), [Finding::NotYetValid(from)]);
    assert_eq!(findings(from), []);
    assert_eq!(findings(to - 1.second()), []);
    assert_eq!(findings(to), [Finding::Expired(to)]);
}

#[test]
fn a_chain_that_is_not_trusted_is_told_unless_that_follows_from_something_worse() {
    let world = world();
    let (leaf, middle, root) = (&world.leaf, &world.middle.certificate, &world.root.certificate);
    let untrusted = Finding::NotTrusted("because".to_owned());
    let expected = expecting(&world);
    let named = Expectation { server_name: "b.test".parse().unwrap(), ..expected.clone() };
    let wrong_name = Finding::WrongName { wanted: "b.test".to_owned() };
    let incomplete = Finding::IncompleteChain { served: 1, expected: 2 };
    let late = leaf.not_after;
    for (expected, sent, now, findings) in [
        (&expected, vec![leaf, middle], now(), vec![untrusted.clone()]),
        (&expected, vec![leaf], now(), vec![incomplete]),
        (&expected, vec![leaf, middle, root], now(), vec![Finding::ExtraRoot, untrusted.clone()]),
        (&named, vec![leaf, middle], now(), vec![wrong_name.clone(), untrusted]),
        (&expected, vec![leaf, middle], late, vec![Finding::Expired(late)]),
        (&named, vec![leaf, middle], late, vec![wrong_name, Finding::Expired(late)]),
    ] {
        let judgement = judge(expected, &shown(&sent, Err("because")), now);
        assert_eq!((judgement.is_good(), judgement.findings), (false, findings));
    }
}

/// Whose it is says it all.
#[test]
fn only_the_new_certificate_has_findings() {
    let world = world();
    let (other, _) = world.middle.issue(&LeafSpec { names: &["b.test"], ..LeafSpec::default() });
    let expected = expecting(&world);
    for expected in [
        Expectation { previous: vec![other.fingerprint], ..expected.clone() },
        Expectation { known: [other.fingerprint].into(), ..expected.clone() },
        expected,
    ] {
        let late = other.not_after + SignedDuration::from_hours(1);
        assert_eq!(judge(&expected, &shown(&[&other], Err("because")), late).findings, []);
    }
}

#[test]
fn each_finding_has_its_own_words() {
    let world = world();
    let (leaf, middle, root) = (&world.leaf, &world.middle.certificate, &world.root.certificate);
    let expected = expecting(&world);
    let words = |expected: &Expectation, observed: &Observation, now| {
        let judgement = judge(expected, observed, now);
        assert!(!judgement.is_good());
        judgement.words()
    };
    let long = Expectation {
        chain: vec![leaf.fingerprint, middle.fingerprint, root.fingerprint],
        ..expected.clone()
    };
    let other = Expectation { server_name: "b.test".parse().unwrap(), ..expected.clone() };
    let day = |days: i64| Timestamp::from_second(now().as_second() + days * 86_400).unwrap();
    let untrusted = shown(&[leaf, middle], Err("self-signed certificate in certificate chain"));
    let texts = [
        words(&expected, &served(&[leaf]), now()),
        words(&expected, &served(&[leaf, middle, root]), now()),
        words(&expected, &served(&[leaf, middle, middle]), now()),
        words(&expected, &served(&[leaf, middle, middle, middle]), now()),
        words(&long, &served(&[leaf, root, middle]), now()),
        words(&expected, &served(&[leaf, root]), now()),
        words(&other, &served(&[leaf, middle]), now()),
        words(&expected, &served(&[leaf, middle]), day(90)),
        words(&expected, &served(&[leaf, middle]), day(-2)),
        words(&expected, &untrusted, now()),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r#"
the new certificate is served, but the chain is incomplete: 1 of 2 certificates are sent; does the server's configuration name `cert.pem` instead of `fullchain.pem`?
the new certificate is served, but the root is sent too: clients have it, and do not believe one that they are sent
the new certificate is served, but one certificate too many is sent
the new certificate is served, but 2 certificates too many are sent
the new certificate is served, but the chain is sent in the wrong order
the new certificate is served, but another chain is sent than was installed
the new certificate is served, but the certificate is not for `b.test`
the new certificate is served, but it expired on 2027-04-14T08:00:00Z
the new certificate is served, but it is not valid before 2027-01-14T08:00:00Z
the new certificate is served, but it is not trusted: self-signed certificate in certificate chain (a private CA's root goes into `verify: ca_file`)
"#);
}
