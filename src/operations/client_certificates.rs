//! The certificates that servers are shown which ask for one, read from the files that a playbook names.

use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;

use crate::certificate::{ClientDefects, ClientIdentity, Defect};
use crate::model::Secret;
use crate::operations::files::read_bytes;
use crate::operations::{OperationError, Problem};
use crate::plan::Plan;
use crate::playbook::{ClientCertificateFiles, Playbook};
use crate::verify::{ClientCertificate, Endpoint};
use crate::yaml::{Problem as Mistake, Problems, Spanned};

/// What the endpoints of a plan show.
///
/// # Errors
/// As [`identities_of`].
pub(super) fn identities(plan: &Plan) -> Result<HashMap<ClientCertificate, ClientIdentity>, OperationError> {
    let services = plan.hosts.iter().flat_map(|host| &host.services);
    let endpoints = services.flat_map(|service| &service.endpoints);
    identities_of(endpoints.filter_map(Endpoint::client_certificate))
}

/// What is in these files. One that has expired since it was checked keeps nobody from going back: the server says what it
/// thinks of it.
///
/// # Errors
/// When one cannot be read, or its certificate and key cannot be shown.
pub fn identities_of<'a>(
    files: impl Iterator<Item = &'a ClientCertificate>,
) -> Result<HashMap<ClientCertificate, ClientIdentity>, OperationError> {
    let mut identities = HashMap::new();
    for files in files {
        if !identities.contains_key(files) {
            identities.insert(files.clone(), identity(files)?);
        }
    }
    Ok(identities)
}

fn identity(files: &ClientCertificate) -> Result<ClientIdentity, OperationError> {
    let (chain, key) = (read_bytes(&files.certificate)?, Secret::new(read_bytes(&files.key)?));
    ClientIdentity::prove(&chain, &key, None).map_err(|ClientDefects { certificate, key }| {
        let told = |defects: Vec<Defect>, path: &Path| -> Vec<String> {
            defects.iter().map(|defect| format!("`{}`: {defect}", path.display())).collect()
        };
        let mut error = OperationError::from(Problem::Act("use the client certificate".to_owned()));
        error.causes = [told(certificate, &files.certificate), told(key, &files.key)].concat();
        error
    })
}

/// What is wrong with the files that a playbook names, each where it is named. Files that are not there are found before.
pub(super) fn check(playbook: &Playbook, now: Timestamp, problems: &mut Problems) {
    let general = playbook.verify.client.client_certificate.iter();
    let each =
        playbook.services.iter().filter_map(|service| service.verify.client.client_certificate.as_ref());
    for ClientCertificateFiles { certificate, key } in general.chain(each) {
        let (Ok(chain_pem), Ok(key_pem)) = (std::fs::read(&certificate.value), std::fs::read(&key.value))
        else {
            continue;
        };
        let Err(defects) = ClientIdentity::prove(&chain_pem, &Secret::new(key_pem), Some(now)) else {
            continue;
        };
        let mut tell = |defects: Vec<Defect>, file: &Spanned<std::path::PathBuf>, hint: &str| {
            for defect in defects {
                let message = format!("`{}`: {defect}", file.value.display());
                problems.push(Mistake::at(file.span, message).hint(hint));
            }
        };
        tell(
            defects.certificate,
            certificate,
            "`client_certificate` is what certwave shows to servers that ask for a certificate",
        );
        tell(
            defects.key,
            key,
            "`openssl pkey -in FILE -out OTHER` takes the pass phrase off; the key must be the certificate's own",
        );
    }
}
