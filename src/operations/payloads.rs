//! What hosts are sent of a version.

use std::path::Path;

use crate::certificate::CertificateSet;
use crate::install::{FileName, FilePart, Formats, Payloads, files};
use crate::model::Secret;
use crate::operations::{OperationError, Problem};
use crate::plan::Plan;

/// What the hosts of a plan are sent of a version.
///
/// # Errors
/// As [`files_for`].
pub(super) fn payloads(plan: &Plan, set: &CertificateSet) -> Result<Payloads, OperationError> {
    let files = files_for(plan, set)?;
    Ok(Payloads::new(plan.certificate.name.clone(), set.version().clone(), files))
}

/// The files of a version, in every format that a host of the plan wants.
///
/// # Errors
/// When the password of the keystores cannot be read.
pub(super) fn files_for(
    plan: &Plan,
    set: &CertificateSet,
) -> Result<Vec<(FileName, Secret)>, OperationError> {
    let installs = || plan.hosts.iter().map(|host| &host.install);
    let mut wanted = installs().flat_map(|install| {
        let copies = install.copies.iter().map(|copy| copy.file.part);
        install.links.iter().map(|(_, file)| file.part).chain(copies)
    });
    let key_first = wanted.any(|part| part == FilePart::KeyFirst);
    let password = installs().find_map(|install| install.keystore_password());
    let keystore = password.map(|file| read_password(file)).transpose()?;
    files(set, &Formats { key_first, keystore }).map_err(|reason| {
        OperationError::from(Problem::Act("make the files of the version".to_owned())).because(reason)
    })
}

/// Its first line.
fn read_password(file: &Path) -> Result<Secret, OperationError> {
    let act = format!("read the keystores' password from `{}`", file.display());
    let text = crate::bounded::read(file).map_err(|error| OperationError::to(&act, &error))?;
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    Ok(Secret::new(line.to_vec()))
}
