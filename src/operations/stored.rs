//! What is in the store.

use crate::certificate::{Leaf, parse_pem};
use crate::model::CertificateName;
use crate::operations::{OperationError, Problem, ledger};
use crate::ports::{Certificates, Journal};
use crate::report::view::StoredVersion;

/// Every version of every certificate, or of the one that is named; a name after the other, newest first.
///
/// # Errors
/// When there is no such certificate, or the store cannot be read.
pub fn versions(
    store: &dyn Certificates,
    journal: &dyn Journal,
    wanted: Option<&CertificateName>,
) -> Result<Vec<StoredVersion>, OperationError> {
    let names = store.names()?;
    if let Some(wanted) = wanted.filter(|wanted| !names.contains(wanted)) {
        return Err(Problem::NoCertificate(wanted.clone()).into());
    }
    let mut all = Vec::new();
    for name in names.into_iter().filter(|name| wanted.is_none_or(|wanted| wanted == name)) {
        let (served, known) = (ledger::hosts(journal, &name, None)?, ledger::versions(journal, &name)?);
        for version in store.versions(&name)?.into_iter().rev() {
            let chains = store.chains(&name, &version)?;
            let leaf = |pem: &Vec<u8>| Leaf::of_chain(&parse_pem(pem).ok()?);
            all.push(StoredVersion {
                leaves: chains.iter().filter_map(leaf).collect(),
                revocation: known.revocation(&version).cloned(),
                hosts: served.served_by_host().filter(|(_, one)| **one == version).count(),
                name: name.clone(),
                version,
            });
        }
    }
    Ok(all)
}
