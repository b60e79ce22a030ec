//! `plan --rehearse`: what can be tried for real before a rollout, on the first wave.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use openssl::error::ErrorStack;
use serde_json::{Value, json};

use crate::acme::generate_key;
use crate::certificate::{Bundle, CertificateSet, Requirements};
use crate::cli::error::Failure;
use crate::cli::load::Loaded;
use crate::engine::rehearse;
use crate::install::Tested;
use crate::lab::Authority;
use crate::model::{HostName, Secret};
use crate::ssh::SshConnector;

/// How a host did.
pub(super) struct Rehearsed {
    pub(super) host: HostName,
    /// What became of each service's test; else why it did not come to that.
    pub(super) result: Result<Vec<Tested>, String>,
}

impl Rehearsed {
    /// Whether anything went wrong. What could not be tried did not.
    pub(super) fn is_good(&self) -> bool {
        let good = |tested: &Tested| !matches!(tested, Tested::Refused(..));
        self.result.as_ref().is_ok_and(|tested| tested.iter().all(good))
    }

    /// For programs.
    pub(super) fn json(&self, time: Timestamp) -> Value {
        json!({"time": time, "event": "plan.rehearsed", "host": self.host, "good": self.is_good(), "text": self.words()})
    }

    /// In one line.
    pub(super) fn words(&self) -> String {
        match &self.result {
            Err(reason) => format!("failed: {reason}"),
            Ok(tested) => {
                let each = tested.iter().map(words);
                std::iter::once("uploaded, owned and removed again".to_owned())
                    .chain(each)
                    .collect::<Vec<_>>()
                    .join("; ")
            }
        }
    }
}

fn words(tested: &Tested) -> String {
    match tested {
        Tested::Took(service) => format!("{service} would take it"),
        Tested::Refused(service, reason) => format!("{service} refuses it: {}", reason.trim()),
        Tested::Untested(reason) => {
            format!("no server could be asked without touching what is live: {}", reason.trim())
        }
    }
}

/// Rehearses on the hosts of the first wave that is left.
pub(super) async fn run(loaded: &Loaded, who: &str, at_once: usize) -> Result<Vec<Rehearsed>, Failure> {
    let throwaway = throwaway(loaded)?;
    let connector = SshConnector::default();
    let plan = &loaded.plan;
    let first = plan.schedule.waves.first().map(crate::plan::WaveSchedule::hosts).unwrap_or_default();
    let mut rehearsals = Vec::new();
    for host in &plan.hosts[first] {
        let (connector, throwaway) = (&connector, &throwaway);
        rehearsals.push(async move {
            let result = rehearse(connector, host, throwaway, who).await;
            Rehearsed { host: host.login.host.clone(), result }
        });
    }
    Ok(stream::iter(rehearsals).buffered(at_once).collect().await)
}

/// Certificates like those that would be rolled out, by an authority that nobody trusts and whose key is gone.
fn throwaway(loaded: &Loaded) -> Result<CertificateSet, Failure> {
    let wanted = &loaded.playbook.certificate;
    let failed = |error: ErrorStack| Failure::to("make a throw-away certificate", &error);
    let authority = Authority::new("certwave rehearsal").map_err(failed)?;
    let names: Vec<&str> = wanted.domains.iter().map(|domain| domain.as_str()).collect();
    let now = Timestamp::now();
    let required = Requirements { names: &wanted.domains, now, at_least: Duration::ZERO };
    let mut bundles = Vec::new();
    for kind in &wanted.keys {
        let key = generate_key(*kind).map_err(failed)?;
        let leaf = authority.certify(&key, &names, -1, 1).map_err(failed)?;
        let chain = [leaf, authority.root_pem().map_err(failed)?].concat();
        let key = Secret::new(key.private_key_to_pem_pkcs8().map_err(failed)?);
        let bundle = Bundle::prove(&chain, &key, now, &required).map_err(|defects| {
            Failure::new("failed to make a throw-away certificate")
                .because(crate::cli::stored::words(&defects))
        })?;
        bundles.push(bundle);
    }
    let mut bundles = bundles.into_iter();
    match (bundles.next(), bundles.next()) {
        (Some(first), second) => Ok(CertificateSet::new(first, second)),
        (None, _) => Err(Failure::new(format!("`{}` has no kind of key", wanted.name))),
    }
}
