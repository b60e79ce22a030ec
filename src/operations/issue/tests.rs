//! Which issuer is asked, what is kept of it, and what is written down.

use super::*;
use crate::model::Version;
use crate::operations::testing::{World, name};
use crate::plan::PlannedFiles;
use crate::ports::{Lease, LeaseToken, Leases, StoreError};

/// One that another took since.
#[derive(Debug)]
struct Lost(LeaseToken);

impl HeldLease for Lost {
    fn token(&self) -> &LeaseToken {
        &self.0
    }

    fn check(&self) -> Result<(), StoreError> {
        Err(StoreError::Deposed { certificate: "a.test".to_owned(), holder: "rollout 2".to_owned() })
    }
}

fn lease(world: &World) -> Lease {
    world.leases.take(&name(), "a test").unwrap()
}

async fn issued(world: &World, plan: &Plan, lease: &dyn HeldLease) -> Result<CertificateSet, OperationError> {
    let operation = OperationId::new(1, [3; 10]);
    issue(&world.context(), &IssueRight { lease, operation: &operation }, plan, None).await
}

/// A plan whose first issuer has no files.
fn second_best(world: &World) -> Plan {
    let mut plan = world.plan();
    let [certificate, key] = ["gone.crt", "gone.key"].map(|file| world.remembered(file));
    plan.issuers.insert(0, PlannedIssuer::Files(PlannedFiles { certificate, key }));
    plan
}

fn failures(world: &World) -> Vec<String> {
    let failure = |fact| match fact {
        Fact::Issuance(Issuance::Failed { reason, .. }) => Some(reason),
        _ => None,
    };
    world.noted().into_iter().filter_map(failure).collect()
}

#[tokio::test]
async fn what_an_issuer_brings_is_kept_and_written_down() {
    let world = World::new();
    world.write_files(&["a.test"], 60);
    let set = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    // The same files are the same version, whenever they are read.
    let leaf = set.leaf();
    assert_eq!(
        *set.version(),
        Version::new(leaf.not_before, &leaf.fingerprint, &set.bundles().next().unwrap().content())
    );
    assert_eq!(world.context().certificates.versions(&name()).unwrap(), [set.version().clone()]);
    let kept = world.context().certificates.get(&name(), set.version()).unwrap();
    assert_eq!(kept.pairs.len(), 1);
    let noted = world.noted();
    let [Fact::Issuance(Issuance::Issued { version, issuer, directory, not_after, .. })] = noted.as_slice()
    else {
        panic!("{noted:?}");
    };
    assert_eq!((version, *not_after), (set.version(), leaf.not_after));
    assert!(issuer.as_ref().is_some_and(|issuer| *issuer == world.plan().issuers[0].name()));
    // What comes from files draws on no CA's limits.
    assert_eq!(*directory, None);
    issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    assert_eq!(world.context().certificates.versions(&name()).unwrap().len(), 1);
    assert!(matches!(world.heard()[0], News::Issued { read: true, .. }));
}

#[tokio::test]
async fn the_same_leaf_with_another_chain_is_another_version() {
    let world = World::new();
    world.write_files(&["a.test"], 60);
    let first = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    world.rechain_files();
    let second = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    assert_eq!(second.leaves(), first.leaves());
    assert!(second.version() != first.version() && second.version().has_leaf_of(first.version()));
    let kept = world.context().certificates.versions(&name()).unwrap();
    assert!(kept.len() == 2 && kept.contains(first.version()) && kept.contains(second.version()));
}

#[tokio::test]
async fn files_that_an_older_release_stored_keep_their_name_while_they_are_the_same() {
    let world = World::new();
    world.write_files(&["a.test"], 60);
    let first = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    let old = Version::found(first.leaf().not_before, &first.leaf().fingerprint);
    let pair = |bundle: &Bundle| StoredPair { fullchain: bundle.fullchain_pem(), key: bundle.key().clone() };
    let stored = StoredCertificate { version: old.clone(), pairs: first.bundles().map(pair).collect() };
    world.context().certificates.put(&name(), &stored).unwrap();
    let again = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    assert_eq!(*again.version(), old);
    world.rechain_files();
    let other = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    assert!(*other.version() != old && other.version().has_leaf_of(&old));
}

#[tokio::test]
async fn what_was_revoked_is_not_taken_from_files_whatever_its_chain() {
    let world = World::new();
    world.write_files(&["a.test"], 60);
    let first = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap();
    world.revoke(first.version());
    for _ in 0..2 {
        let refused = issued(&world, &world.plan(), lease(&world).as_ref()).await.unwrap_err();
        assert!(refused.causes[0].contains("which was revoked"), "{refused:?}");
        world.rechain_files();
    }
    assert_eq!(world.context().certificates.versions(&name()).unwrap().len(), 1);
}

#[tokio::test]
async fn an_issuer_that_fails_is_written_down_and_the_next_one_is_asked() {
    let world = World::new();
    world.write_files(&["a.test"], 60);
    issued(&world, &second_best(&world), lease(&world).as_ref()).await.unwrap();
    let failed = failures(&world);
    assert!(matches!(failed.as_slice(), [reason] if reason.contains("gone.crt")), "{failed:?}");
    assert!(matches!(world.heard()[..], [News::IssuerFailed { .. }, News::Issued { .. }]));
}

#[tokio::test]
async fn where_no_issuer_brings_what_will_do_each_says_why_and_nothing_is_kept() {
    for (names, days, why) in [(&["b.test"][..], 60, "a.test"), (&["a.test"], -2, "expired")] {
        let world = World::new();
        world.write_files(names, days);
        let none = issued(&world, &second_best(&world), lease(&world).as_ref()).await.unwrap_err();
        assert!(matches!(none.problem, Problem::NotIssued { .. }), "{none:?}");
        assert_eq!(none.left, Some(Left::Untouched));
        assert!(
            matches!(none.causes.as_slice(), [gone, unfit] if gone.contains("gone.crt") && unfit.contains(why)),
            "{none:?}"
        );
        assert_eq!(failures(&world).len(), 2);
        assert!(world.context().certificates.versions(&name()).unwrap().is_empty());
    }
}

#[tokio::test]
async fn of_two_kinds_of_key_each_has_to_be_brought() {
    let world = World::new();
    world.write_files(&["a.test"], 60);
    let mut plan = world.plan();
    plan.certificate.keys = vec![KeyType::EcdsaP256, KeyType::Rsa2048];
    let none = issued(&world, &plan, lease(&world).as_ref()).await.unwrap_err();
    assert!(
        none.causes[0].contains("its key is ecdsa, and a certificate with `rsa-2048` is wanted"),
        "{none:?}"
    );
    // The first is kept for the next try.
    assert_eq!(world.context().certificates.versions(&name()).unwrap().len(), 1);
}

#[tokio::test]
async fn who_lost_the_lease_asks_no_issuer_and_writes_nothing() {
    let world = World::new();
    world.write_files(&["a.test"], 60);
    let lost = Lost(LeaseToken { certificate: name(), epoch: 1 });
    let deposed = issued(&world, &world.plan(), &lost).await.unwrap_err();
    assert!(deposed.problem.to_string().contains("rollout 2"), "{deposed:?}");
    assert_eq!(deposed.left, Some(Left::Untouched));
    assert!(world.noted().is_empty() && world.heard().is_empty());
    assert!(world.context().certificates.versions(&name()).unwrap().is_empty());
}
