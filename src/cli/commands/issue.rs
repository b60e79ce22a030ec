//! The certificate to roll out: the newest in the store if it still does, else a new one, issued once.

use jiff::Timestamp;
use serde_json::json;

use super::super::error::Failure;
use super::super::load::Loaded;
use super::super::settings::Settings;
use crate::acme::{self, IssueError, Listener, Progress, Request};
use crate::certificate::{Bundle, Defect, Requirements};
use crate::engine::PushedChallenge;
use crate::model::Secret;
use crate::playbook::{AcmeIssuer, FilesIssuer, Http01, Issuer};
use crate::renewal::{AT_LEAST, due_at};
use crate::ssh::SshConnector;
use crate::store::{CertificateStore, Store, StoredCertificate};

/// What is going to happen, before anything does.
pub(super) enum Choice {
    /// One from the store, and why it will do.
    Stored(Box<Bundle>, String),
    /// A new one, and why.
    New(String),
}

/// Looks into the store.
pub(super) fn choose(loaded: &Loaded, store: &CertificateStore, force: bool) -> Result<Choice, Failure> {
    let wanted = &loaded.playbook.certificate;
    let now = Timestamp::now();
    if force {
        return Ok(Choice::New("a new certificate is issued: `--force` was given".to_owned()));
    }
    // The files of a `files` issuer are the certificate: what was stored of them earlier is not.
    if let Some(Issuer::Files(_)) = loaded.playbook.issuers.first() {
        return Ok(Choice::New("it is read from its files".to_owned()));
    }
    let Some(version) = store.versions(&wanted.name)?.pop() else {
        return Ok(Choice::New("a new certificate is issued: there is none yet".to_owned()));
    };
    let stored = store.get(&wanted.name, &version)?;
    let required = Requirements { names: &wanted.domains, now, at_least: AT_LEAST };
    let bundle = match prove(&stored, &required) {
        Ok(bundle) => bundle,
        Err(defects) => {
            return Ok(Choice::New(format!(
                "a new certificate is issued: {version} will not do: {}",
                words(&defects)
            )));
        }
    };
    if bundle.key_type() != Some(wanted.key) {
        return Ok(Choice::New(format!(
            "a new certificate is issued: {version} has another kind of key than `{}`",
            wanted.key
        )));
    }
    let due = due_at(bundle.leaf(), wanted.renew);
    if due <= now {
        return Ok(Choice::New(format!(
            "a new certificate is issued: {version} has been due since {}",
            due.strftime("%Y-%m-%d")
        )));
    }
    let why = format!("{version} is not due before {}", due.strftime("%Y-%m-%d"));
    Ok(Choice::Stored(Box::new(bundle), why))
}

fn prove(stored: &StoredCertificate, required: &Requirements<'_>) -> Result<Bundle, Vec<Defect>> {
    // The version keeps its name: what it was called when it was issued.
    Bundle::prove(&stored.fullchain, &stored.key, required.now, required)
        .map(|bundle| bundle.with_version(stored.version.clone()))
}

fn words(defects: &[Defect]) -> String {
    defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Issues, by the first issuer that can; proves what came, and keeps it before anything else is done with it.
pub(super) async fn issue(
    loaded: &Loaded,
    store: &Store,
    connector: &SshConnector,
    settings: &Settings,
) -> Result<Bundle, Failure> {
    let wanted = &loaded.playbook.certificate;
    let mut refused = Vec::new();
    let mut hint = None;
    for (number, issuer) in loaded.playbook.issuers.iter().enumerate() {
        let (name, issued) = match issuer {
            Issuer::Acme(acme) => {
                (acme.name.clone(), by_acme(acme, number, loaded, store, connector, settings).await)
            }
            Issuer::Files(files) => (files.certificate.value.display().to_string(), from_files(files)),
        };
        let material = match issued {
            Ok(material) => material,
            Err((reason, way_out)) => {
                say(settings, "issuer.failed", &format!("{name}: {reason}"));
                refused.push(format!("{name}: {reason}"));
                hint = hint.or(way_out);
                continue;
            }
        };
        let now = Timestamp::now();
        let required = Requirements { names: &wanted.domains, now, at_least: AT_LEAST };
        let proven = Bundle::prove(&material.0, &material.1, now, &required);
        let bundle = match (proven, issuer) {
            (Ok(bundle), Issuer::Files(_)) => {
                // Read again tomorrow, the same files are the same version.
                let issued = bundle.leaf().not_before;
                let version = crate::model::Version::new(issued, &bundle.leaf().fingerprint);
                bundle.with_version(version)
            }
            (Ok(bundle), Issuer::Acme(_)) => bundle,
            (Err(defects), _) => {
                let reason = words(&defects);
                say(settings, "issuer.failed", &format!("{name}: {reason}"));
                refused.push(format!("{name}: {reason}"));
                continue;
            }
        };
        store.certificates().put(
            &wanted.name,
            &StoredCertificate {
                version: bundle.version().clone(),
                fullchain: bundle.fullchain_pem(),
                key: bundle.key().clone(),
            },
        )?;
        let until = bundle.leaf().not_after.strftime("%Y-%m-%d");
        let (done, by) = match issuer {
            Issuer::Acme(_) => ("issued", "by"),
            Issuer::Files(_) => ("read", "from"),
        };
        let text = format!("{done} {} {}, valid until {until}, {by} {name}", wanted.name, bundle.version());
        say(settings, "certificate.issued", &text);
        return Ok(bundle);
    }
    let mut failure = Failure::new(format!("failed to get a certificate for `{}`", wanted.name));
    failure.causes = refused;
    failure.state = Some("no host was touched".to_owned());
    failure.hint = hint.map(str::to_owned);
    Err(failure)
}

type Refusal = (String, Option<&'static str>);

async fn by_acme(
    issuer: &AcmeIssuer,
    number: usize,
    loaded: &Loaded,
    store: &Store,
    connector: &SshConnector,
    settings: &Settings,
) -> Result<(Vec<u8>, Secret), Refusal> {
    let refusal = |error: IssueError| {
        let mut reason = format!("failed to {error}");
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            reason.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        (reason, error.hint())
    };
    let wanted = &loaded.playbook.certificate;
    let accounts = store.accounts();
    let request = Request { issuer, domains: &wanted.domains, key: wanted.key, accounts: &accounts };
    let progress = |progress: Progress| {
        let text = match &progress {
            Progress::Ordered { url } => format!("ordered from {}: {url}", issuer.name),
            Progress::Answered { domain } => format!("challenge for {domain} is answered"),
            Progress::Finalizing => "challenges are accepted, the certificate is being signed".to_owned(),
        };
        say(settings, "issuing", &text);
    };
    let issued = match &issuer.challenge {
        Http01::Listen(address) => match Listener::start(*address).await {
            Ok(listener) => {
                let issued = acme::issue(&request, &listener, &progress).await;
                listener.close().await;
                issued
            }
            Err(error) => Err(error),
        },
        Http01::Push { .. } => {
            let hosts = loaded.plan.challenge_hosts.get(number).map(Vec::as_slice).unwrap_or_default();
            acme::issue(&request, &PushedChallenge::new(connector, hosts), &progress).await
        }
    };
    issued.map(|issued| (issued.chain, issued.key)).map_err(refusal)
}

fn from_files(files: &FilesIssuer) -> Result<(Vec<u8>, Secret), Refusal> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| (format!("failed to read `{}`: {error}", path.display()), None))
    };
    Ok((read(&files.certificate.value)?, Secret::new(read(&files.key.value)?)))
}

fn say(settings: &Settings, event: &str, text: &str) {
    if settings.json() {
        super::print(&json!({"time": Timestamp::now(), "event": event, "text": text}).to_string());
    } else {
        super::remark(settings, &format!("{} {text}", Timestamp::now().strftime("%H:%M:%SZ")));
    }
}
