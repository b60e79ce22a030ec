//! What a rollout would be about, and how its hosts are: found out without changing anything.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use openssl::sha::sha256;

use crate::certificate::{CertificateSet, parse_pem};
use crate::cli::clock::SteadyClock;
use crate::cli::commands::issue::{Choice, choose, peek};
use crate::cli::error::Failure;
use crate::cli::load::Loaded;
use crate::cli::stored;
use crate::engine::{Surveyor, Target};
use crate::model::Version;
use crate::plan::Plan;
use crate::playbook::Issuer;
use crate::preview::{Leaf, Next, Seen, Source};
use crate::renewal::drawn;
use crate::report::{Coming, PlannedCertificate};
use crate::ssh::SshConnector;
use crate::store::{CertificateStore, Store};
use crate::tls::TlsProber;

/// What would be rolled out.
pub(super) struct Wanted {
    /// From the store, or a new one.
    pub(super) next: Next,
    /// The certificates, where they are known already.
    pub(super) set: Option<CertificateSet>,
    /// For people.
    pub(super) shown: PlannedCertificate,
}

impl Wanted {
    /// The leaves, where they are known already.
    pub(super) fn leaves(&self) -> Vec<Leaf> {
        self.set.iter().flat_map(CertificateSet::bundles).map(|bundle| bundle.leaf().into()).collect()
    }
}

/// Asks the store, and the files of a `files` issuer; no CA.
pub(super) fn wanted(
    loaded: &Loaded,
    store: &CertificateStore,
    force: bool,
    version: Option<&Version>,
) -> Result<Wanted, Failure> {
    let choice = choose(loaded, store, force, version)?;
    let set = known(loaded, &choice)?;
    let (next, why) = match choice {
        Choice::Stored(set, why) => {
            let version = set.version().clone();
            (Next::Stored { version }, why)
        }
        Choice::New(why, _) => {
            let version = set.as_ref().map(|set| set.version().clone());
            (Next::New { forced: force, version }, why)
        }
    };
    let name = &loaded.plan.certificate;
    let now = match store.versions(name)?.pop() {
        Some(version) => {
            let chains = store.chains(name, &version)?;
            let leaves = chains.iter().filter_map(|pem| parse_pem(pem).ok()?.first().map(Leaf::from));
            leaves.map(|leaf| (version.to_string(), leaf)).collect()
        }
        None => Vec::new(),
    };
    let coming = match &next {
        Next::Stored { .. } => None,
        Next::New { .. } => Some(coming(loaded, store, set.as_ref())?),
    };
    let shown = PlannedCertificate { name: name.to_string(), why, now, next: coming };
    Ok(Wanted { next, set, shown })
}

/// The certificates that were chosen, where they are known before a CA is asked.
pub(super) fn known(loaded: &Loaded, choice: &Choice) -> Result<Option<CertificateSet>, Failure> {
    match choice {
        Choice::Stored(set, _) => Ok(Some((**set).clone())),
        Choice::New(..) => peek(loaded),
    }
}

/// What would be issued, by whom, and which limits that draws on.
fn coming(
    loaded: &Loaded,
    store: &CertificateStore,
    set: Option<&CertificateSet>,
) -> Result<Coming, Failure> {
    let wanted = &loaded.playbook.certificate;
    let recent = recent(store, loaded)?;
    let (mut issuers, mut limits) = (Vec::new(), Vec::new());
    for issuer in &loaded.playbook.issuers {
        match issuer {
            Issuer::Acme(acme) => {
                issuers.push(acme.name.clone());
                limits.extend(drawn(&acme.directory, recent, wanted.keys.len()));
            }
            Issuer::Files(files) => issuers.push(files.certificate.value.display().to_string()),
        }
    }
    Ok(Coming {
        keys: wanted.keys.iter().map(ToString::to_string).collect(),
        names: wanted.domains.iter().map(ToString::to_string).collect(),
        issuers,
        limits,
        version: set.map(|set| set.version().clone()),
    })
}

/// How many certificates of exactly these names were issued in the last seven days, by the store's account.
fn recent(store: &CertificateStore, loaded: &Loaded) -> Result<usize, Failure> {
    let since = Timestamp::now() - SignedDuration::from_hours(7 * 24);
    let wanted: BTreeSet<&str> =
        loaded.playbook.certificate.domains.iter().map(|domain| domain.as_str()).collect();
    let chains = store.all_chains()?;
    let leaves = chains.iter().filter_map(|pem| parse_pem(pem).ok()?.into_iter().next());
    let same = leaves.filter(|leaf| {
        let names: BTreeSet<&str> = leaf.names.iter().map(String::as_str).collect();
        leaf.not_before >= since && names == wanted
    });
    Ok(same.count())
}

/// Why handshakes would not trust the certificates, if they would not: OpenSSL's reason.
pub(super) fn untrusted(prober: &TlsProber, set: &CertificateSet) -> Option<String> {
    set.bundles().find_map(|bundle| prober.trusts(&bundle.chain_der()).err())
}

/// Looks at every host of a plan, so many at once.
pub(super) async fn survey(
    plan: &Plan,
    set: Option<&CertificateSet>,
    store: &Store,
    at_once: usize,
) -> Result<Vec<Seen>, Failure> {
    let prober = TlsProber::new(&plan.ca_files).map_err(|error| Failure::to("prepare handshakes", &error))?;
    let stored = stored::known(&store.certificates(), &plan.certificate)?;
    let target = set.map(|set| Arc::new(Target::new(set.clone(), stored.clone())));
    let (connector, clock) = (SshConnector::default(), SteadyClock::start());
    let surveyor = Surveyor { connector, prober, clock, target, stored };
    let mut looks = Vec::with_capacity(plan.hosts.len());
    for host in &plan.hosts {
        looks.push(surveyor.survey(host));
    }
    Ok(stream::iter(looks).buffered(at_once).collect().await)
}

/// The files that a plan was made from.
pub(super) fn source(path: &Path, text: &str) -> Source {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Source { path: path.display().to_string(), sha256: hex::encode(sha256(text.as_bytes())) }
}
