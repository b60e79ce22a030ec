//! The playbook as a whole.

use std::path::PathBuf;
use std::time::Duration;

use crate::playbook::certificate::CertificateSettings;
use crate::playbook::install::InstallSettings;
use crate::playbook::issuer::Issuer;
use crate::playbook::service::Service;
use crate::playbook::verify::VerifySettings;
use crate::playbook::wave::{OnFailure, Wave, limit};
use crate::playbook::windows::Windows;
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Spanned};

/// A playbook as written.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// What is issued.
    pub certificate: CertificateSettings,
    /// Who issues it, tried in order; at least one.
    pub issuers: Vec<Issuer>,
    /// What serves it; at least one.
    pub services: Vec<Service>,
    /// How the files lie on hosts.
    pub install: InstallSettings,
    /// Where it is seen.
    pub verify: VerifySettings,
    /// Who goes when; at least one.
    pub waves: Vec<Wave>,
    /// What follows when a wave fails.
    pub on_failure: OnFailure,
    /// How long the rollout may take.
    pub deadline: Option<Duration>,
    /// When hosts may be changed.
    pub windows: Option<Windows>,
}

impl Playbook {
    /// Every file on the controller that it names.
    pub fn files_mut(&mut self) -> Vec<&mut Spanned<PathBuf>> {
        let issuers = self.issuers.iter_mut().flat_map(|issuer| match issuer {
            Issuer::Acme(acme) => acme.ca_file.iter_mut().collect::<Vec<_>>(),
            Issuer::Files(files) => vec![&mut files.certificate, &mut files.key],
        });
        let verify = self.services.iter_mut().map(|service| &mut service.verify).chain([&mut self.verify]);
        let verify = verify.flat_map(|verify| {
            let files = verify.client.client_certificate.iter_mut();
            verify.ca_file.iter_mut().chain(files.flat_map(|files| [&mut files.certificate, &mut files.key]))
        });
        let passwords = self.install.copies.iter_mut().filter_map(|copy| copy.password.as_mut());
        issuers.chain(verify).chain(passwords).collect()
    }
}

/// Reads a playbook. References (`{env: …}`, `{file: …}`) are already replaced.
pub fn parse(node: &Node, problems: &mut Problems) -> Option<Playbook> {
    let mut fields = Fields::of(node, "a playbook", problems)?;
    let certificate: Option<CertificateSettings> = fields.required("certificate", problems);
    let issuers: Option<Vec<Issuer>> = list(&mut fields, "issuers", problems);
    let services: Option<Vec<Service>> = list(&mut fields, "services", problems);
    let install = fields.optional("install", problems).unwrap_or_default();
    let verify = fields.optional("verify", problems).unwrap_or_default();
    let waves: Option<Vec<Wave>> = list(&mut fields, "waves", problems);
    let on_failure = fields.optional("on_failure", problems).unwrap_or_default();
    let deadline = limit(&mut fields, "deadline", problems).map(|limit| limit.value);
    let windows = fields.optional("windows", problems);
    fields.finish(problems);
    if let (Some(certificate), Some(issuers)) = (&certificate, &issuers) {
        issuers.iter().for_each(|issuer| issuer.check_domains(&certificate.written, problems));
    }
    let waves = waves?;
    for (at, wave) in waves.iter().enumerate() {
        if waves[..at].iter().any(|earlier| earlier.name.value == wave.name.value) {
            problems.push(
                Problem::at(wave.name.span, format!("two waves are named `{}`", wave.name.value))
                    .hint("waves are known by their names: give each its own"),
            );
        }
    }
    let services = services?;
    for service in &services {
        if let Some(ca_file) = &service.verify.ca_file {
            problems.push(
                Problem::at(ca_file.span, "`ca_file` belongs to the playbook's own `verify`")
                    .hint("trust is the same for every service: move it to the top-level `verify`"),
            );
        }
    }
    Some(Playbook {
        certificate: certificate?,
        issuers: issuers?,
        services,
        install,
        verify,
        waves,
        on_failure,
        deadline,
        windows,
    })
}

/// A list that must be there and may not be empty.
fn list<T: FromNode>(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<Vec<T>> {
    let node = fields.required::<NodeOf>(key, problems)?.0;
    let items = Vec::from_node(&node, problems)?;
    if items.is_empty() {
        problems.push(Problem::at(node.span, format!("`{key}` is empty")));
        return None;
    }
    Some(items)
}

/// The node itself.
struct NodeOf(Node);

impl FromNode for NodeOf {
    fn from_node(node: &Node, _: &mut Problems) -> Option<Self> {
        Some(Self(node.clone()))
    }
}
