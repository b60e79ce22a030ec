//! A dry run: what would be rolled out, and how each host is; nothing is changed.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::certificate::{CertificateSet, Leaf, parse_pem};
use crate::engine::{Surveyor, Target};
use crate::install::Rehearsed;
use crate::ledger::Versions;
use crate::model::{HostName, Version};
use crate::operations::choose::{Choice, choose, known};
use crate::operations::rehearse;
use crate::operations::{Context, OperationError, certificates, ledger};
use crate::plan::{Plan, PlannedIssuer};
use crate::preview::{Next, Preview, Risk, Seen};
use crate::renewal::rate_limit_note;
use crate::report::failure;
use crate::report::view::{Coming, PlannedCertificate};
use crate::tls::TlsProber;

/// For so long a CA counts what it issued.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a dry run is asked.
pub struct PlanRequest {
    /// What would be done.
    pub plan: Plan,
    /// A new certificate would be issued, though none is due.
    pub force: bool,
    /// The version that would be rolled out.
    pub version: Option<Version>,
    /// How hosts were seen earlier; they are not asked then.
    pub facts: Option<Vec<Seen>>,
    /// The first wave rehearses.
    pub rehearse: bool,
    /// So many hosts are asked at a time.
    pub parallel: usize,
}

/// What a dry run comes to.
pub struct Planned {
    /// The plan, with until when what is served is valid.
    pub plan: Plan,
    /// What would be rolled out.
    pub candidate: Candidate,
    /// Why handshakes would not trust it, if they would not.
    untrusted: Option<String>,
    /// When it was planned.
    at: Timestamp,
    /// How each host was seen.
    pub seen: Vec<Seen>,
    /// How each host of the first wave rehearsed.
    pub rehearsed: Vec<Rehearsed>,
}

/// What would be rolled out.
pub struct Candidate {
    /// From the store, or a new one.
    pub next: Next,
    /// The certificates, where they are known already.
    pub set: Option<CertificateSet>,
    /// For people.
    pub shown: PlannedCertificate,
}

impl Candidate {
    /// The leaves, where they are known already.
    fn leaves(&self) -> Vec<Leaf> {
        self.set.iter().flat_map(CertificateSet::bundles).map(|bundle| bundle.leaf().into()).collect()
    }
}

/// Looks at the store and at every host.
///
/// # Errors
/// When the store cannot be read, or what is asked for cannot be rolled out.
pub async fn plan(context: &Context<'_>, request: PlanRequest) -> Result<Planned, OperationError> {
    let PlanRequest { mut plan, force, version, facts, rehearse, parallel } = request;
    let candidate = candidate(context, &plan, force, version.as_ref())?;
    let seen = match facts {
        Some(seen) => seen,
        None => survey(context, &plan, candidate.set.as_ref(), parallel).await?,
    };
    let rehearsed = match rehearse {
        true => rehearse::rehearse(context, &plan, parallel).await?,
        false => Vec::new(),
    };
    ledger::mind_hosts(context, &mut plan, candidate.set.as_ref().map(CertificateSet::version))?;
    let prober = context.prober(&plan)?;
    let untrusted = candidate.set.as_ref().and_then(|set| untrusted(&prober, set));
    Ok(Planned { plan, candidate, untrusted, at: context.now(), seen, rehearsed })
}

impl Planned {
    /// What would happen to whom.
    pub fn preview(&self) -> Preview<'_> {
        let mut preview = Preview::new(&self.plan, &self.seen, &self.candidate.leaves(), self.at, failure);
        let untrusted = self.untrusted.clone().map(|reason| Risk::NotTrusted { reason });
        preview.risks.extend(untrusted);
        preview
    }
}

/// Asks the store, and the files of a `files` issuer; no CA.
fn candidate(
    context: &Context<'_>,
    plan: &Plan,
    force: bool,
    version: Option<&Version>,
) -> Result<Candidate, OperationError> {
    let (store, now) = (context.certificates, context.now());
    let versions = ledger::versions(context.journal.as_ref(), &plan.certificate.name)?;
    let choice = choose(plan, store, &versions, (force, version), now)?;
    let set = known(plan, &choice, store, &versions, now)?;
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
    let name = &plan.certificate.name;
    let now = match store.versions(name)?.pop() {
        Some(version) => {
            let chains = store.chains(name, &version)?;
            let leaves = chains.iter().filter_map(|pem| Leaf::of_chain(&parse_pem(pem).ok()?));
            leaves.map(|leaf| (version.to_string(), leaf)).collect()
        }
        None => Vec::new(),
    };
    let coming = match &next {
        Next::Stored { .. } => None,
        Next::New { .. } => Some(coming(plan, &versions, set.as_ref(), context.now())),
    };
    let shown = PlannedCertificate { name: name.to_string(), why, now, next: coming };
    Ok(Candidate { next, set, shown })
}

/// What would be issued, by whom, and which limits that draws on.
fn coming(plan: &Plan, versions: &Versions, set: Option<&CertificateSet>, now: Timestamp) -> Coming {
    let wanted = &plan.certificate;
    let names: Vec<String> = wanted.domains.iter().map(ToString::to_string).collect();
    let limit = |issuer: &PlannedIssuer| match issuer {
        PlannedIssuer::Acme(acme) => {
            let recent = versions.issued_by(&acme.directory, &names, now - WEEK);
            rate_limit_note(&acme.directory, recent, wanted.keys.len())
        }
        PlannedIssuer::Files(_) => None,
    };
    Coming {
        keys: wanted.keys.iter().map(ToString::to_string).collect(),
        issuers: plan.issuers.iter().map(PlannedIssuer::name).collect(),
        limits: plan.issuers.iter().filter_map(limit).collect(),
        version: set.map(|set| set.version().clone()),
        names,
    }
}

/// Why handshakes would not trust the certificates, if they would not: OpenSSL's reason.
pub(super) fn untrusted(prober: &TlsProber, set: &CertificateSet) -> Option<String> {
    set.bundles().find_map(|bundle| prober.trusts(&bundle.chain_der()).err())
}

/// Looks at every host of a plan, `parallel` at a time.
pub(super) async fn survey(
    context: &Context<'_>,
    plan: &Plan,
    set: Option<&CertificateSet>,
    parallel: usize,
) -> Result<Vec<Seen>, OperationError> {
    let prober = context.prober(plan)?;
    let stored = certificates::known(context, &plan.certificate.name)?;
    let target = set.map(|set| Arc::new(Target::new(set.clone(), stored.clone())));
    let (connector, clock) = (context.connector.clone(), context.clock);
    let surveyor = Surveyor { connector, prober, clock, target, stored };
    let mut looks = Vec::with_capacity(plan.hosts.len());
    for host in &plan.hosts {
        looks.push(surveyor.survey(host));
    }
    Ok(stream::iter(looks).buffered(parallel).collect().await)
}

/// Hosts with how each was seen.
pub fn hosts_seen<'p>(plan: &'p Plan, seen: &'p [Seen]) -> impl Iterator<Item = (&'p HostName, &'p Seen)> {
    plan.schedule.hosts.iter().zip(seen)
}
