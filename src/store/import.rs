//! What a store of an earlier certwave holds, told to a journal that knew rollouts alone: which versions were issued, and
//! which were revoked (`certificates/NAME/VERSION/revoked.json`).

use std::fs;

use jiff::Timestamp;

use crate::certificate::{Certificate, parse_pem};
use crate::ledger::{Fact, Issuance, RevocationFact};
use crate::model::{CertificateName, OperationId, Revocation, Version};
use crate::ports::Certificates;
use crate::store::StoreError;
use crate::store::certificates::CertificateStore;
use crate::store::schema::Import;

/// A fact for each version and each revocation, all of one operation.
pub(super) fn facts(store: &CertificateStore) -> Result<Vec<Import>, StoreError> {
    let mut facts = Vec::new();
    for name in store.names()? {
        for version in store.versions(&name)? {
            facts.extend(issued(store, &name, &version)?);
            facts.extend(revoked(store, &name, &version)?);
        }
    }
    let mut entropy = [0; 10];
    // Without random numbers it has the name of this moment, which is enough: it happens once.
    let _ = getrandom::fill(&mut entropy);
    let millis = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let operation = OperationId::new(millis, entropy).to_string();
    let import = |(time, fact): &(Timestamp, Fact)| {
        let text = serde_json::to_string(fact);
        let text =
            text.map_err(|source| StoreError::Fact { operation: operation.clone(), seq: 0, source })?;
        let (operation, kind, time) = (operation.clone(), fact.kind(), time.to_string());
        Ok(Import { operation, kind, time, fact: text })
    };
    facts.iter().map(import).collect()
}

/// That a version was issued, as its certificates tell it.
fn issued(
    store: &CertificateStore,
    name: &CertificateName,
    version: &Version,
) -> Result<Option<(Timestamp, Fact)>, StoreError> {
    let chains = store.chains(name, version)?;
    let leaves: Vec<Certificate> =
        chains.iter().filter_map(|pem| parse_pem(pem).ok()?.into_iter().next()).collect();
    // One that cannot be read is found out when it is rolled out.
    let Some(first) = leaves.first() else { return Ok(None) };
    let issued = Issuance::Issued {
        certificate: name.clone(),
        version: version.clone(),
        issuer: None,
        directory: None,
        names: first.names.clone(),
        not_before: first.not_before,
        not_after: leaves.iter().map(|leaf| leaf.not_after).min().unwrap_or(first.not_after),
        fingerprints_sha256: leaves.iter().map(|leaf| leaf.fingerprint).collect(),
    };
    Ok(Some((Timestamp::now(), issued.into())))
}

/// That a version was revoked, if it was.
fn revoked(
    store: &CertificateStore,
    name: &CertificateName,
    version: &Version,
) -> Result<Vec<(Timestamp, Fact)>, StoreError> {
    let path = store.folder(name).join(version.as_str()).join("revoked.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::file(&path)(error)),
    };
    let revocation: Revocation = serde_json::from_slice(&text).map_err(StoreError::unreadable(&path))?;
    let (certificate, version) = (name.clone(), version.clone());
    let noted = RevocationFact::Noted {
        certificate: certificate.clone(),
        version: version.clone(),
        reason: revocation.reason,
    };
    let confirmed =
        revocation.confirmed_by.map(|issuer| RevocationFact::Confirmed { certificate, version, issuer });
    let facts = std::iter::once(noted).chain(confirmed);
    Ok(facts.map(|fact| (revocation.at, fact.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, pem};
    use crate::ledger::Versions;
    use crate::model::RevocationReason;
    use crate::ports::{Entry, Journal as _, StoredCertificate, StoredPair};
    use crate::store::Store;

    #[test]
    fn a_journal_of_format_3_is_told_once_what_the_store_holds() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state");
        let store = Store::open(&root).unwrap();
        let name: CertificateName = "a.test".parse().unwrap();
        let version: Version = "20261123T200100Z-3f9a1c2e".parse().unwrap();
        let authority = Authority::new("Root");
        let [(leaf, key), (second, second_key)] = [90, 60]
            .map(|to_days| authority.issue(&LeafSpec { from_days: 0, to_days, ..LeafSpec::default() }));
        let pair = |leaf, key| StoredPair { fullchain: pem(&[leaf, &authority.certificate]), key };
        let pairs = vec![pair(&leaf, key), pair(&second, second_key)];
        store.certificates().put(&name, &StoredCertificate { version: version.clone(), pairs }).unwrap();
        let revocation = Revocation {
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            reason: RevocationReason::Superseded,
            confirmed_by: Some("ca".to_owned()),
        };
        let noted = root.join("certificates/a.test").join(version.as_str()).join("revoked.json");
        fs::write(noted, serde_json::to_vec(&revocation).unwrap()).unwrap();
        // A journal of its time, as far as it matters here.
        let old = rusqlite::Connection::open(root.join("journal.db")).unwrap();
        old.execute_batch(include_str!("../../tests/fixtures/journals/format-3.sql")).unwrap();
        drop(old);

        let journal = store.journal().unwrap();
        let before = journal.verify().unwrap().unwrap();
        let mut versions = Versions::of(name);
        for entry in journal.beside_rollouts() {
            let Entry { time, fact, .. } = entry.unwrap();
            versions.take_in(time, &fact);
        }
        // Of dual certificates, the first to expire.
        assert_eq!(versions.issued(&version).unwrap().not_after, second.not_after);
        assert_eq!(versions.revocation(&version), Some(&revocation));
        // And not again.
        assert_eq!(store.journal().unwrap().verify().unwrap(), Ok(before));
    }
}
