//! A new certificate: issued once, by the first issuer that can, and kept before anything else is done with it.

use crate::acme::{self, IssueError, Listener, PlacedOrder, Request};
use crate::certificate::{Bundle, CertificateSet, KeyAlgorithm, KeyType, Requirements, parse_pem};
use crate::engine::PushedChallenge;
use crate::ledger::{Fact, Issuance};
use crate::model::{OperationId, Secret};
use crate::operations::certificates::words;
use crate::operations::choose::{of_files, read_files};
use crate::operations::{Context, Left, News, OperationError, Problem, ledger};
use crate::plan::{Plan, PlannedAcme, PlannedChallenge, PlannedIssuer};
use crate::ports::{HeldLease, KeepError, StoredCertificate, StoredPair};
use crate::renewal::MIN_REMAINING;

/// The right to issue, and the operation that it is for.
pub struct IssueRight<'a> {
    /// The right to work on the certificate.
    pub lease: &'a dyn HeldLease,
    /// Whose facts are written.
    pub operation: &'a OperationId,
}

impl IssueRight<'_> {
    fn note(&self, context: &Context<'_>, fact: impl Into<Fact>) -> Result<(), OperationError> {
        ledger::note(context, self.lease, self.operation, fact)
    }

    /// Nothing is ordered, and no issuer asked, by who lost the lease.
    fn check(&self) -> Result<(), OperationError> {
        self.lease.check().map_err(|error| OperationError::from(error).leaves(Left::Untouched))
    }
}

/// What an issuer brought; an order is settled once its certificate is kept.
struct Brought {
    chain: Vec<u8>,
    key: Secret,
    order: Option<PlacedOrder>,
}

/// Why an issuer brought nothing, and what usually helps.
struct Refusal {
    reason: String,
    advice: Option<&'static str>,
}

impl Refusal {
    fn of(error: &dyn std::error::Error, advice: Option<&'static str>) -> Self {
        let mut reason = format!("failed to {error}");
        let mut next = error.source();
        while let Some(cause) = next {
            reason.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        Self { reason, advice }
    }
}

/// Issues what is missing. `kept` is the first of two certificates where only the second is.
///
/// # Errors
/// When no issuer gave a certificate that will do, or it could not be kept. No host was touched.
pub async fn issue(
    context: &Context<'_>,
    held: &IssueRight<'_>,
    plan: &Plan,
    kept: Option<Bundle>,
) -> Result<CertificateSet, OperationError> {
    let wanted = &plan.certificate;
    let had = usize::from(kept.is_some());
    let mut issued = kept.map(|first| CertificateSet::new(first, None));
    for key in wanted.keys.iter().skip(had) {
        let (bundle, order, issuer) = issue_one(context, held, plan, *key).await?;
        let not_after = bundle.expires();
        let set = match issued {
            Some(first) => first.joined_by(bundle),
            None => CertificateSet::new(bundle, None),
        };
        let (name, version) = (wanted.name.clone(), set.version().clone());
        let read = matches!(issuer, PlannedIssuer::Files(_));
        context.progress.say(&News::Issued {
            name,
            version: version.clone(),
            not_after,
            issuer: issuer.name(),
            read,
        });
        let pair =
            |bundle: &Bundle| StoredPair { fullchain: bundle.fullchain_pem(), key: bundle.key().clone() };
        let stored = StoredCertificate { version, pairs: set.bundles().map(pair).collect() };
        context.certificates.put(&wanted.name, &stored)?;
        held.note(context, ledger::issued(&wanted.name, &set, Some(issuer)))?;
        settle(context, order)?;
        issued = Some(set);
    }
    issued.ok_or_else(|| Problem::NoKeyType(wanted.name.clone()).into())
}

/// Its certificate is kept: the order is done.
fn settle(context: &Context<'_>, order: Option<PlacedOrder>) -> Result<(), OperationError> {
    let settled = order.map_or(Ok(()), |order| order.settle(context.orders));
    settled.map_err(|error| OperationError::to("settle the order", &error))
}

/// Issues one certificate, by the first issuer that can, and proves what came.
async fn issue_one<'p>(
    context: &Context<'_>,
    held: &IssueRight<'_>,
    plan: &'p Plan,
    key: KeyType,
) -> Result<(Bundle, Option<PlacedOrder>, &'p PlannedIssuer), OperationError> {
    let wanted = &plan.certificate;
    let versions = ledger::versions(context.journal.as_ref(), &wanted.name)?;
    let (mut refused, mut advice) = (Vec::new(), None);
    for issuer in &plan.issuers {
        held.check()?;
        let name = issuer.name();
        let mut refuse = |reason: String| {
            refused.push(format!("{name}: {reason}"));
            let (certificate, issuer) = (wanted.name.clone(), name.clone());
            context.progress.say(&News::IssuerFailed { issuer: name.clone(), reason: reason.clone() });
            held.note(context, Issuance::Failed { certificate, issuer, reason })
        };
        let brought = match issuer {
            PlannedIssuer::Acme(acme) => by_acme(context, held, plan, acme, key).await,
            PlannedIssuer::Files(files) => match read_files(files) {
                Ok((chain, key)) => Ok(Brought { chain, key, order: None }),
                Err(error) => {
                    let reason = [vec![error.problem.to_string()], error.causes].concat().join(": ");
                    Err(Refusal { reason, advice: None })
                }
            },
        };
        let Brought { chain, key: private_key, order } = match brought {
            Ok(brought) => brought,
            Err(refusal) => {
                refuse(refusal.reason)?;
                advice = advice.or(refusal.advice);
                continue;
            }
        };
        let now = context.now();
        let required = Requirements { names: &wanted.domains, now, at_least: MIN_REMAINING };
        let bundle = match (Bundle::prove(&chain, &private_key, now, &required), issuer) {
            (Ok(bundle), PlannedIssuer::Files(_)) => of_files(context.certificates, &wanted.name, bundle)?,
            (Ok(bundle), PlannedIssuer::Acme(_)) => {
                match context.certificates.versions(&wanted.name)?.pop() {
                    Some(last) => {
                        let version = last.followed_by(now, &bundle.leaf().fingerprint, &bundle.content());
                        bundle.with_version(version)
                    }
                    None => bundle,
                }
            }
            (Err(defects), _) => {
                // It will be no better next time.
                settle(context, order)?;
                refuse(words(&defects))?;
                continue;
            }
        };
        if versions.revocation(bundle.version()).is_some() {
            settle(context, order)?;
            refuse(format!("it brought {}, which was revoked", bundle.version()))?;
            continue;
        }
        let algorithm = bundle.leaf().key_algorithm();
        if wanted.keys.len() > 1 && algorithm != Some(key.algorithm()) {
            let has = algorithm.map_or("another", KeyAlgorithm::as_str);
            refuse(format!("its key is {has}, and a certificate with `{key}` is wanted"))?;
            continue;
        }
        return Ok((bundle, order, issuer));
    }
    let problem = Problem::NotIssued { name: wanted.name.clone(), advice };
    Err(OperationError { problem, causes: refused, left: Some(Left::Untouched) })
}

/// By a new order, or by one that an earlier try left. What that one brought may be in the store already: then it
/// was all but settled, and another is placed.
async fn by_acme(
    context: &Context<'_>,
    held: &IssueRight<'_>,
    plan: &Plan,
    issuer: &PlannedAcme,
    key: KeyType,
) -> Result<Brought, Refusal> {
    let brought = order(context, held, plan, issuer, key).await?;
    let leaf = |pem: &[u8]| Some(parse_pem(pem).ok()?.first()?.fingerprint);
    let chains = context.certificates.all_chains().map_err(|error| Refusal::of(&error, None))?;
    if !chains.iter().any(|chain| leaf(chain) == leaf(&brought.chain)) {
        return Ok(brought);
    }
    if let Some(placed) = brought.order {
        placed.settle(context.orders).map_err(|error| Refusal::of(&error, error.hint))?;
    }
    order(context, held, plan, issuer, key).await
}

async fn order(
    context: &Context<'_>,
    held: &IssueRight<'_>,
    plan: &Plan,
    issuer: &PlannedAcme,
    key: KeyType,
) -> Result<Brought, Refusal> {
    let refusal = |error: IssueError| Refusal::of(&error, error.hint());
    let (accounts, orders) = (context.accounts, context.orders);
    let domains = &plan.certificate.domains;
    let lease = held.lease;
    let request = Request { issuer, domains, key, lease, accounts, orders };
    let progress = |progress: acme::Progress| {
        let noted = fact(plan, issuer, &progress).map_or(Ok(()), |fact| held.note(context, fact));
        context.progress.say(&News::Issuing { issuer: issuer.name.clone(), progress });
        noted.map_err(|error| {
            let reason = [vec![error.problem.to_string()], error.causes].concat().join(": ");
            KeepError { reason, hint: None }
        })
    };
    let issued = match &issuer.challenge {
        PlannedChallenge::Listen(address) => {
            let listener = Listener::start(*address).await.map_err(refusal)?;
            let issued = acme::issue(&request, &listener, &progress).await;
            listener.close().await;
            issued
        }
        PlannedChallenge::Push(hosts) => {
            let responder = PushedChallenge::new(context.connector.as_ref(), hosts);
            acme::issue(&request, &responder, &progress).await
        }
    };
    let acme::Issued { chain, key, order } = issued.map_err(refusal)?;
    Ok(Brought { chain, key, order: Some(order) })
}

/// What the journal keeps of how far an order is.
fn fact(plan: &Plan, issuer: &PlannedAcme, progress: &acme::Progress) -> Option<Issuance> {
    let (certificate, by) = (plan.certificate.name.clone(), issuer.name.clone());
    Some(match progress {
        acme::Progress::Ordered { url } => Issuance::OrderPlaced {
            certificate,
            issuer: by,
            directory: issuer.directory.clone(),
            names: plan.certificate.domains.iter().map(ToString::to_string).collect(),
            url: url.clone(),
        },
        acme::Progress::TakenUp { url } => {
            Issuance::OrderResumed { certificate, issuer: by, url: url.clone() }
        }
        acme::Progress::Abandoned { url, reason } => {
            Issuance::Abandoned { certificate, issuer: by, url: url.clone(), reason: reason.clone() }
        }
        acme::Progress::Finalizing => Issuance::Validated { certificate, issuer: by },
        acme::Progress::Answered { .. } => return None,
    })
}

#[cfg(test)]
mod tests;
