//! The certificate to roll out: the newest in the store if it still does, else a new one, issued once.

use jiff::Timestamp;
use serde_json::json;

use crate::acme::{self, IssueError, Listener, PlacedOrder, Progress, Request};
use crate::certificate::{Bundle, CertificateSet, KeyAlgorithm, KeyType, Requirements, parse_pem};
use crate::cli::error::Failure;
use crate::cli::load::Loaded;
use crate::cli::settings::Settings;
use crate::cli::stored::{self, words};
use crate::engine::PushedChallenge;
use crate::model::{Secret, Version};
use crate::playbook::{AcmeIssuer, FilesIssuer, Http01, Issuer};
use crate::renewal::{AT_LEAST, due_at};
use crate::ssh::SshConnector;
use crate::store::{CertificateStore, Store, StoredCertificate, StoredPair};

/// What is going to happen, before anything does.
pub(in crate::cli) enum Choice {
    /// Those from the store, and why they will do.
    Stored(Box<CertificateSet>, String),
    /// New ones, and why; the first is kept where only the second of two is missing.
    New(String, Option<Box<Bundle>>),
}

/// Looks into the store.
pub(in crate::cli) fn choose(
    loaded: &Loaded,
    store: &CertificateStore,
    force: bool,
    version: Option<&Version>,
) -> Result<Choice, Failure> {
    let wanted = &loaded.playbook.certificate;
    let now = Timestamp::now();
    let new = |why: String| Ok(Choice::New(format!("a new certificate is issued: {why}"), None));
    if force {
        return new("`--force` was given".to_owned());
    }
    if let Some(version) = version {
        let required = Requirements { names: &wanted.domains, now, at_least: AT_LEAST };
        let set = stored::proven(store, &wanted.name, version, &required)?;
        stored::not_revoked(store, &wanted.name, version)?;
        return Ok(Choice::Stored(Box::new(set), format!("deploying {version}, as asked")));
    }
    // The files of a `files` issuer are the certificate: what was stored of them earlier is not.
    if let Some(Issuer::Files(_)) = loaded.playbook.issuers.first() {
        return Ok(Choice::New("it is read from its files".to_owned(), None));
    }
    let Some(version) = store.versions(&wanted.name)?.pop() else {
        return new("there is none yet".to_owned());
    };
    if store.revocation(&wanted.name, &version)?.is_some() {
        return new(format!("{version} was revoked"));
    }
    let stored = store.get(&wanted.name, &version)?;
    let required = Requirements { names: &wanted.domains, now, at_least: AT_LEAST };
    let mut bundles = Vec::new();
    for (pair, key) in stored.pairs.iter().zip(&wanted.keys) {
        let bundle = match Bundle::prove(&pair.fullchain, &pair.key, now, &required) {
            // The version keeps its name: what it was called when it was issued.
            Ok(bundle) => bundle.with_version(version.clone()),
            Err(defects) => return new(format!("{version} will not do: {}", words(&defects))),
        };
        if bundle.key_type() != Some(*key) {
            return new(format!("{version} has another kind of key than `{key}`"));
        }
        let due = due_at(bundle.leaf(), wanted.renew);
        if due <= now {
            return new(format!("{version} has been due since {}", due.strftime("%Y-%m-%d")));
        }
        bundles.push((bundle, due));
    }
    let Some(due) = bundles.iter().map(|(_, due)| *due).min() else {
        return new(format!("{version} holds none"));
    };
    let mut bundles = bundles.into_iter().map(|(bundle, _)| bundle);
    let (Some(first), second) = (bundles.next(), bundles.next()) else {
        return new(format!("{version} holds none"));
    };
    if let (None, Some(key)) = (&second, wanted.keys.get(1)) {
        let why = format!("{version} lacks its second certificate, with a key of `{key}`: it is issued");
        return Ok(Choice::New(why, Some(Box::new(first))));
    }
    let why =
        format!("Renewal not due until {}; deploying the existing certificate.", due.strftime("%Y-%m-%d"));
    Ok(Choice::Stored(Box::new(CertificateSet::new(first, second)), why))
}

/// What a `files` issuer that comes first would bring; it is not kept.
pub(in crate::cli) fn peek(loaded: &Loaded) -> Result<Option<CertificateSet>, Failure> {
    let Some(Issuer::Files(files)) = loaded.playbook.issuers.first() else { return Ok(None) };
    let (chain, key, _) = from_files(files).map_err(|(reason, _)| Failure::new(reason))?;
    let now = Timestamp::now();
    let required = Requirements { names: &loaded.playbook.certificate.domains, now, at_least: AT_LEAST };
    // What will not do is told when it is rolled out, or another issuer is asked.
    let bundle = Bundle::prove(&chain, &key, now, &required).ok();
    Ok(bundle.map(|bundle| CertificateSet::new(of_files(bundle), None)))
}

/// Read again tomorrow, the same files are the same version.
fn of_files(bundle: Bundle) -> Bundle {
    let version = Version::new(bundle.leaf().not_before, &bundle.leaf().fingerprint);
    bundle.with_version(version)
}

/// Issues what is missing, and keeps each before anything else is done with it.
pub(super) async fn issue(
    loaded: &Loaded,
    kept: Option<Bundle>,
    store: &Store,
    connector: &SshConnector,
    settings: &Settings,
) -> Result<CertificateSet, Failure> {
    let wanted = &loaded.playbook.certificate;
    let mut pairs: Vec<Bundle> = kept.into_iter().collect();
    for key in wanted.keys.iter().skip(pairs.len()) {
        let (bundle, order) = issue_one(loaded, *key, store, connector, settings).await?;
        pairs.push(match pairs.first() {
            Some(first) => bundle.with_version(first.version().clone()),
            None => bundle,
        });
        let version = pairs[0].version().clone();
        let pair =
            |bundle: &Bundle| StoredPair { fullchain: bundle.fullchain_pem(), key: bundle.key().clone() };
        let stored = StoredCertificate { version, pairs: pairs.iter().map(pair).collect() };
        store.certificates().put(&wanted.name, &stored)?;
        settle(order, store)?;
    }
    let mut pairs = pairs.into_iter();
    match (pairs.next(), pairs.next()) {
        (Some(first), second) => Ok(CertificateSet::new(first, second)),
        (None, _) => Err(Failure::new(format!("`{}` has no kind of key", wanted.name))),
    }
}

/// Its certificate is kept: the order is done.
fn settle(order: Option<PlacedOrder>, store: &Store) -> Result<(), Failure> {
    let settled = order.map_or(Ok(()), |order| order.settle(&store.orders()));
    settled.map_err(|error| Failure::to("settle the order", &error))
}

/// Issues one certificate, by the first issuer that can, and proves what came.
async fn issue_one(
    loaded: &Loaded,
    key: KeyType,
    store: &Store,
    connector: &SshConnector,
    settings: &Settings,
) -> Result<(Bundle, Option<PlacedOrder>), Failure> {
    let wanted = &loaded.playbook.certificate;
    let mut refused = Vec::new();
    let mut hint = None;
    for (number, issuer) in loaded.playbook.issuers.iter().enumerate() {
        let (name, issued) = match issuer {
            Issuer::Acme(acme) => {
                (acme.name.clone(), by_acme(acme, (number, key), loaded, store, connector, settings).await)
            }
            Issuer::Files(files) => (files.certificate.value.display().to_string(), from_files(files)),
        };
        let (chain, private_key, order) = match issued {
            Ok(issued) => issued,
            Err((reason, way_out)) => {
                say(settings, "issuer.failed", &format!("{name}: {reason}"));
                refused.push(format!("{name}: {reason}"));
                hint = hint.or(way_out);
                continue;
            }
        };
        let now = Timestamp::now();
        let required = Requirements { names: &wanted.domains, now, at_least: AT_LEAST };
        let proven = Bundle::prove(&chain, &private_key, now, &required);
        let bundle = match (proven, issuer) {
            (Ok(bundle), Issuer::Files(_)) => of_files(bundle),
            (Ok(bundle), Issuer::Acme(_)) => match store.certificates().versions(&wanted.name)?.pop() {
                Some(last) => {
                    let version = last.followed_by(now, &bundle.leaf().fingerprint);
                    bundle.with_version(version)
                }
                None => bundle,
            },
            (Err(defects), _) => {
                // It will be no better next time.
                settle(order, store)?;
                let reason = words(&defects);
                say(settings, "issuer.failed", &format!("{name}: {reason}"));
                refused.push(format!("{name}: {reason}"));
                continue;
            }
        };
        let algorithm = bundle.leaf().key_algorithm();
        if wanted.keys.len() > 1 && algorithm != Some(key.algorithm()) {
            let has = algorithm.map_or("another", KeyAlgorithm::as_str);
            refused.push(format!("{name}: its key is {has}, and a certificate with `{key}` is wanted"));
            continue;
        }
        let until = bundle.leaf().not_after.strftime("%Y-%m-%d");
        let (done, by) = match issuer {
            Issuer::Acme(_) => ("issued", "by"),
            Issuer::Files(_) => ("read", "from"),
        };
        let text = format!("{done} {} {}, valid until {until}, {by} {name}", wanted.name, bundle.version());
        say(settings, "certificate.issued", &text);
        return Ok((bundle, order));
    }
    let mut failure = Failure::new(format!("failed to get a certificate for `{}`", wanted.name));
    failure.causes = refused;
    failure.state = Some("no host was touched".to_owned());
    failure.hint = hint.map(str::to_owned);
    Err(failure)
}

type Refusal = (String, Option<&'static str>);

/// By a new order, or by one that an earlier try left. What that one brought may be in the store already: then it
/// was all but settled, and another is placed.
async fn by_acme(
    issuer: &AcmeIssuer,
    what: (usize, KeyType),
    loaded: &Loaded,
    store: &Store,
    connector: &SshConnector,
    settings: &Settings,
) -> Result<(Vec<u8>, Secret, Option<PlacedOrder>), Refusal> {
    let brought = order(issuer, what, loaded, store, connector, settings).await?;
    let leaf = |pem: &[u8]| Some(parse_pem(pem).ok()?.first()?.fingerprint);
    let chains = store.certificates().all_chains().map_err(|error| (error.to_string(), None))?;
    if !chains.iter().any(|chain| leaf(chain) == leaf(&brought.0)) {
        return Ok(brought);
    }
    if let Some(placed) = brought.2 {
        placed.settle(&store.orders()).map_err(|error| (format!("failed to {error}"), error.hint))?;
    }
    order(issuer, what, loaded, store, connector, settings).await
}

async fn order(
    issuer: &AcmeIssuer,
    (number, key): (usize, KeyType),
    loaded: &Loaded,
    store: &Store,
    connector: &SshConnector,
    settings: &Settings,
) -> Result<(Vec<u8>, Secret, Option<PlacedOrder>), Refusal> {
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
    let (accounts, orders) = (store.accounts(), store.orders());
    let request = Request { issuer, domains: &wanted.domains, key, accounts: &accounts, orders: &orders };
    let progress = |progress: Progress| {
        let text = match &progress {
            Progress::Ordered { url } => format!("ordered from {}: {url}", issuer.name),
            Progress::TakenUp { url } => {
                format!("an order that was not brought to its end is taken up again: {url}")
            }
            Progress::Abandoned { url, reason } => {
                format!("an order of an earlier try came to nothing, another is placed ({url}: {reason})")
            }
            Progress::Answered { domain } => {
                format!("Challenge for {domain} is in place; waiting for the CA.")
            }
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
    issued.map(|issued| (issued.chain, issued.key, Some(issued.order))).map_err(refusal)
}

fn from_files(files: &FilesIssuer) -> Result<(Vec<u8>, Secret, Option<PlacedOrder>), Refusal> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| (format!("failed to read `{}`: {error}", path.display()), None))
    };
    Ok((read(&files.certificate.value)?, Secret::new(read(&files.key.value)?), None))
}

fn say(settings: &Settings, event: &str, text: &str) {
    if settings.json() {
        crate::cli::commands::print(
            &json!({"time": Timestamp::now(), "event": event, "text": text}).to_string(),
        );
    } else {
        crate::cli::commands::remark(settings, &format!("{} {text}", Timestamp::now().strftime("%H:%M:%SZ")));
    }
}
