//! What a rollout makes of a host that it looked at: the answer of its first step, for a plan and for the rollout itself.

use std::collections::BTreeSet;

use crate::install::LinkState;
use crate::model::ServiceName;
use crate::plan::HostPlan;
use crate::preview::elsewhere::baseline;
use crate::preview::host_risks::{input_log_risk, reading_risks, serving_risks};
use crate::preview::risk::Bar;
use crate::preview::seen::{Missed, Seen, SeenHost};
use crate::rollout::{Baseline, Inspected, Remark, StepFailure};

/// What a rollout's inspection of a host answers, which was seen so.
///
/// # Errors
/// Where it was not reached, or must not be switched as it is.
pub fn inspected(plan: &HostPlan, seen: &Seen) -> Result<Inspected, StepFailure> {
    match seen {
        Seen::Missed(Missed { reason, unreachable: true }) => {
            Err(StepFailure::Unreachable { reason: reason.clone() })
        }
        Seen::Missed(Missed { reason, unreachable: false }) => {
            Err(StepFailure::Failed { reason: reason.clone() })
        }
        Seen::Host(host) if !host.problems.is_empty() => {
            Err(StepFailure::Failed { reason: host.problems.join("; ") })
        }
        Seen::Host(host) => {
            // What its servers serve is looked at when the certificate is staged, unless it is already.
            let mut before = host.as_ref().clone();
            before.served.retain(|_| host.staged);
            not_refused(plan, &before)?;
            Ok(answer(plan, host, Vec::new()))
        }
    }
}

/// What staging on it answers.
///
/// # Errors
/// Where it must not be switched as it is.
pub fn staged(plan: &HostPlan, seen: &Seen) -> Result<Baseline, StepFailure> {
    match seen {
        Seen::Host(host) => not_refused(plan, host).map(|()| baseline(plan, host)),
        Seen::Missed(_) => Ok(Baseline::default()),
    }
}

/// # Errors
/// Where a host must not be switched as it is.
pub fn not_refused(plan: &HostPlan, host: &SeenHost) -> Result<(), StepFailure> {
    refusal(plan, host).map_or(Ok(()), |reason| Err(StepFailure::Failed { reason }))
}

/// The answer of an inspection with which a rollout goes ahead.
pub fn answer(plan: &HostPlan, host: &SeenHost, risks: Vec<Remark>) -> Inspected {
    Inspected {
        proven: host.proven,
        staged: host.staged,
        previous: host.previous.clone(),
        armed: host.armed,
        already: host.already,
        undone: host.undone.clone().map(Box::new),
        risks,
        baseline: baseline(plan, host),
    }
}

/// Why a host must not be switched as it is. One that has the new certificate already is not switched, or half-way.
///
/// What may come from an outage is not held against a host that a person named. Nor is it held against a server that waits
/// for files of the rollout: it cannot work before the first one.
pub fn refusal(plan: &HostPlan, host: &SeenHost) -> Option<String> {
    if host.proven || host.armed {
        return None;
    }
    // No repair makes that right.
    if let Some(risk) = input_log_risk(host).filter(|risk| risk.bar() == Bar::Always) {
        return Some(format!("refused before anything is sent: {risk}"));
    }
    let mut host = host.clone();
    let waiting: BTreeSet<ServiceName> = waiting(plan, &host).cloned().collect();
    host.reads.retain(|reads| !waiting.contains(&reads.service));
    host.served.retain(|served| !waiting.contains(&served.service));
    let mut risks = [reading_risks(plan, &host), serving_risks(&host)].concat();
    risks.retain(|risk| match risk.bar() {
        Bar::Never => false,
        Bar::UnlessAccepted => !plan.accepted,
        Bar::Always => true,
    });
    risks.dedup();
    let reasons: Vec<String> = risks.iter().map(ToString::to_string).collect();
    let way_out = match risks.iter().all(|risk| risk.bar() == Bar::UnlessAccepted) {
        true => " (where the rollout is to repair that, `--accept HOST` goes ahead)",
        false => "",
    };
    (!risks.is_empty()).then(|| format!("refused before the switch: {}{way_out}", reasons.join("; ")))
}

/// Servers that do not take their configuration for want of a file that the rollout brings. nginx and HAProxy both tell by
/// the system's own words (errno(3), ENOENT).
fn waiting<'a>(plan: &HostPlan, host: &'a SeenHost) -> impl Iterator<Item = &'a ServiceName> {
    let links = plan.install.links.iter().zip(&host.links);
    let links = links.map(|((path, _), state)| (path, state));
    let copies = plan.install.copies.iter().map(|copy| &copy.path).zip(&host.copies);
    let missing: Vec<String> = (links.chain(copies))
        .filter(|(_, state)| **state == LinkState::Missing)
        .map(|(path, _)| path.to_string())
        .collect();
    let live = format!("{}/", plan.install.layout.live());
    let waits = move |words: &str| {
        words.contains("No such file")
            && (starts_in(words, &live, "") || missing.iter().any(|path| starts_in(words, path, "/.-_")))
    };
    host.reads
        .iter()
        .filter(move |reads| reads.broken.as_deref().is_some_and(&waits))
        .map(|reads| &reads.service)
}

/// Whether a text names a path; what continues it would make it another one.
fn starts_in(text: &str, path: &str, continues: &str) -> bool {
    let is_part = |next: char| next.is_alphanumeric() || continues.contains(next);
    text.match_indices(path).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + path.len()..]);
        let begins = !before.ends_with(|last: char| last.is_alphanumeric() || "/.-_".contains(last));
        begins && (continues.is_empty() || !after.starts_with(is_part))
    })
}
