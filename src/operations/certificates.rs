//! Certificates from the store, proven again before anything is done with them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::certificate::{Bundle, CertificateSet, ChainSet, Defect, Requirements, parse_pem};
use crate::engine::StoredVersions;
use crate::ledger::Versions;
use crate::model::{CertificateName, Fingerprint, Version};
use crate::operations::{Context, Left, OperationError, Problem, ledger};
use crate::ports::Certificates;

/// A version of a certificate, with its key or keys.
///
/// # Errors
/// When it is not in the store, or does not fulfil what is required.
pub(super) fn proven(
    store: &dyn Certificates,
    name: &CertificateName,
    version: &Version,
    required: &Requirements<'_>,
) -> Result<CertificateSet, OperationError> {
    in_store(store, name, version)?;
    let stored = store.get(name, version)?;
    let mut bundles = Vec::new();
    for pair in &stored.pairs {
        let bundle =
            Bundle::prove(&pair.fullchain, &pair.key, required.now, required).map_err(|defects| {
                let problem = Problem::Unfit { name: name.clone(), version: version.clone() };
                OperationError::from(problem).because(words(&defects)).leaves(Left::Untouched)
            })?;
        // The version keeps its name: what it was called when it was issued.
        bundles.push(bundle.with_version(version.clone()));
    }
    let mut bundles = bundles.into_iter();
    match (bundles.next(), bundles.next()) {
        (Some(first), second) => Ok(CertificateSet::new(first, second)),
        (None, _) => Err(Problem::Empty { name: name.clone(), version: version.clone() }.into()),
    }
}

/// What a certificate has to fulfil that was rolled out before: to be valid still.
pub(super) fn still_valid(now: Timestamp) -> Requirements<'static> {
    Requirements { names: &[], now, at_least: std::time::Duration::ZERO }
}

/// There is such a version.
pub(super) fn in_store(
    store: &dyn Certificates,
    name: &CertificateName,
    version: &Version,
) -> Result<(), OperationError> {
    let versions = store.versions(name)?;
    if versions.contains(version) {
        return Ok(());
    }
    let newest = versions.into_iter().rev().take(5).collect();
    Err(Problem::NoVersion { name: name.clone(), version: version.clone(), newest }.into())
}

/// A revoked certificate is never put on a host again.
pub(super) fn not_revoked(
    versions: &Versions,
    name: &CertificateName,
    version: &Version,
) -> Result<(), OperationError> {
    let Some(revocation) = versions.revocation(version).cloned() else { return Ok(()) };
    let problem = Problem::Revoked { name: name.clone(), version: version.clone(), revocation };
    Err(OperationError::from(problem).leaves(Left::Untouched))
}

/// The chains of a version, without its keys.
pub(super) fn chains(
    store: &dyn Certificates,
    name: &CertificateName,
    version: &Version,
) -> Result<ChainSet, OperationError> {
    let pems = store.chains(name, version)?;
    let (first, second) = (pems.first().map(Vec::as_slice), pems.get(1).map(Vec::as_slice));
    ChainSet::read(version.clone(), first.unwrap_or_default(), second)
        .map_err(|error| OperationError::to(&format!("read {name} {version} in the store"), &error))
}

/// What the store knows of a certificate, for whoever looks at hosts.
pub(super) fn known(context: &Context<'_>, name: &CertificateName) -> Result<StoredVersions, OperationError> {
    let store = context.certificates;
    let mut chains = BTreeMap::new();
    for version in store.versions(name)? {
        let pems = store.chains(name, &version)?;
        let read = |pem: &Vec<u8>| -> Vec<Fingerprint> {
            parse_pem(pem).unwrap_or_default().iter().map(|one| one.fingerprint).collect()
        };
        chains.insert(version, pems.iter().map(read).collect::<Vec<_>>());
    }
    let own = chains.values().flatten().filter_map(|chain| chain.first().copied()).collect();
    let revoked = ledger::versions(context.journal.as_ref(), name)?.revoked();
    Ok(StoredVersions { leaves: leaves(store)?, own, chains, revoked })
}

/// The leaf of everything that certwave ever issued.
pub(super) fn leaves(store: &dyn Certificates) -> Result<BTreeSet<Fingerprint>, OperationError> {
    let chains = store.all_chains()?;
    Ok(chains.iter().filter_map(|pem| Some(parse_pem(pem).ok()?.first()?.fingerprint)).collect())
}

/// The leaves of all versions of a certificate, and of which each is.
pub(super) fn own_leaves(
    store: &dyn Certificates,
    name: &CertificateName,
) -> Result<BTreeMap<Fingerprint, Version>, OperationError> {
    let mut leaves = BTreeMap::new();
    for version in store.versions(name)? {
        for pem in store.chains(name, &version)? {
            let leaf = parse_pem(&pem).ok().and_then(|chain| Some(chain.first()?.fingerprint));
            leaves.extend(leaf.map(|leaf| (leaf, version.clone())));
        }
    }
    Ok(leaves)
}

/// All that is wrong, in one line.
pub(super) fn words(defects: &[Defect]) -> String {
    defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
