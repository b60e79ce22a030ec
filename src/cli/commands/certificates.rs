//! `certwave certificates`

use jiff::Timestamp;

use crate::certificate::{Leaf, parse_pem};
use crate::cli::args::CertificatesArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::operations::ledger;
use crate::ports::Certificates as _;
use crate::report::view::{StoredVersion, StoredVersionList};

pub(super) fn run(args: &CertificatesArgs, settings: &Settings) -> Result<Exit, Failure> {
    let list = StoredVersionList { versions: read(args, settings)?, now: Timestamp::now() };
    let printer = settings.printer();
    printer.show(&list);
    if list.versions.is_empty() {
        printer.aside("no certificate was issued yet");
    }
    Ok(Exit::Done)
}

/// Every version in the store, a name after the other, newest first.
fn read(args: &CertificatesArgs, settings: &Settings) -> Result<Vec<StoredVersion>, Failure> {
    let store = settings.store()?;
    let (certificates, journal) = (store.certificates(), store.journal()?);
    let names = certificates.names()?;
    if let Some(wanted) = args.name.as_ref().filter(|wanted| !names.contains(wanted)) {
        return Err(Failure::usage(format!("there is no certificate `{wanted}` in the store"))
            .hint("`certwave certificates` lists all"));
    }
    let mut all = Vec::new();
    for name in names.into_iter().filter(|name| args.name.as_ref().is_none_or(|wanted| wanted == name)) {
        let (served, known) = (ledger::hosts(&journal, &name, None)?, ledger::versions(&journal, &name)?);
        for version in certificates.versions(&name)?.into_iter().rev() {
            let chains = certificates.chains(&name, &version)?;
            all.push(StoredVersion {
                leaves: chains
                    .iter()
                    .filter_map(|pem| parse_pem(pem).ok()?.first().map(Leaf::from))
                    .collect(),
                revocation: known.revocation(&version).cloned(),
                hosts: served.served_by_host().filter(|(_, one)| **one == version).count(),
                name: name.clone(),
                version,
            });
        }
    }
    Ok(all)
}
