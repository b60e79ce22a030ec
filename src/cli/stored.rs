//! Certificates from the store, proven again before anything is done with them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::certificate::{Bundle, CertificateSet, ChainSet, Defect, Requirements, parse_pem};
use crate::cli::error::Failure;
use crate::engine::StoredVersions;
use crate::model::{CertificateName, Fingerprint, Revocation, Version};
use crate::store::CertificateStore;

/// A version of a certificate, with its key or keys.
pub(super) fn proven(
    store: &CertificateStore,
    name: &CertificateName,
    version: &Version,
    required: &Requirements<'_>,
) -> Result<CertificateSet, Failure> {
    in_store(store, name, version)?;
    let stored = store.get(name, version)?;
    let mut bundles = Vec::new();
    for pair in &stored.pairs {
        let bundle =
            Bundle::prove(&pair.fullchain, &pair.key, required.now, required).map_err(|defects| {
                let mut failure = Failure::new(format!("{name} {version} will not do"));
                failure.causes = vec![words(&defects)];
                failure.state = Some("no host was touched".to_owned());
                failure
            })?;
        // The version keeps its name: what it was called when it was issued.
        bundles.push(bundle.with_version(version.clone()));
    }
    let mut bundles = bundles.into_iter();
    match (bundles.next(), bundles.next()) {
        (Some(first), second) => Ok(CertificateSet::new(first, second)),
        (None, _) => Err(Failure::new(format!("{name} {version} holds no certificate"))),
    }
}

/// There is such a version.
pub(super) fn in_store(
    store: &CertificateStore,
    name: &CertificateName,
    version: &Version,
) -> Result<(), Failure> {
    let versions = store.versions(name)?;
    if versions.contains(version) {
        return Ok(());
    }
    let all: Vec<String> = versions.iter().rev().take(5).map(ToString::to_string).collect();
    let failure = Failure::usage(format!("there is no version {version} of `{name}` in the store"));
    Err(match all.as_slice() {
        [] => failure,
        all => failure.hint(format!("the newest are {}", all.join(", "))),
    })
}

/// A revoked certificate is never put on a host again.
pub(super) fn not_revoked(
    store: &CertificateStore,
    name: &CertificateName,
    version: &Version,
) -> Result<(), Failure> {
    let Some(Revocation { at, reason, .. }) = store.revocation(name, version)? else { return Ok(()) };
    let at = at.strftime("%Y-%m-%d");
    let mut failure = Failure::new(format!("{name} {version} was revoked on {at} ({reason})"));
    failure.state = Some("no host was touched".to_owned());
    Err(failure.hint("a revoked certificate is never put on a host again: choose another version"))
}

/// The chains of a version, without its keys.
pub(super) fn chains(
    store: &CertificateStore,
    name: &CertificateName,
    version: &Version,
) -> Result<ChainSet, Failure> {
    let pems = store.chains(name, version)?;
    let (first, second) = (pems.first().map(Vec::as_slice), pems.get(1).map(Vec::as_slice));
    ChainSet::read(version.clone(), first.unwrap_or_default(), second)
        .map_err(|error| Failure::to(&format!("read {name} {version} in the store"), &error))
}

/// What the store knows of a certificate, for whoever looks at hosts.
pub(super) fn known(store: &CertificateStore, name: &CertificateName) -> Result<StoredVersions, Failure> {
    let own = own_leaves(store, name)?.into_keys().collect();
    Ok(StoredVersions { leaves: leaves(store)?, own, revoked: store.revoked(name)? })
}

/// The leaf of everything that certwave ever issued.
pub(super) fn leaves(store: &CertificateStore) -> Result<BTreeSet<Fingerprint>, Failure> {
    let chains = store.all_chains()?;
    Ok(chains.iter().filter_map(|pem| Some(parse_pem(pem).ok()?.first()?.fingerprint)).collect())
}

/// The leaves of all versions of a certificate, and of which each is.
pub(super) fn own_leaves(
    store: &CertificateStore,
    name: &CertificateName,
) -> Result<BTreeMap<Fingerprint, Version>, Failure> {
    let mut leaves = BTreeMap::new();
    for version in store.versions(name)? {
        for pem in store.chains(name, &version)? {
            let leaf = parse_pem(&pem).ok().and_then(|chain| Some(chain.first()?.fingerprint));
            leaves.extend(leaf.map(|leaf| (leaf, version.clone())));
        }
    }
    Ok(leaves)
}

/// When what was rolled out before expires: the newest other version in the store.
pub(super) fn served_until(
    store: &CertificateStore,
    name: &CertificateName,
    next: Option<&Version>,
) -> Result<Option<Timestamp>, Failure> {
    let before = store.versions(name)?.into_iter().rev().find(|version| Some(version) != next);
    let Some(before) = before else { return Ok(None) };
    let chains = store.chains(name, &before)?;
    Ok(chains.iter().filter_map(|pem| Some(parse_pem(pem).ok()?.first()?.not_after)).min())
}

/// All that is wrong, in one line.
pub(super) fn words(defects: &[Defect]) -> String {
    defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
