//! `certwave resume`

use jiff::Timestamp;

use crate::certificate::{CertificateSet, Requirements};
use crate::cli::args::Resume;
use crate::cli::carry_out::{self, cancel_on_signal, who};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::find;
use crate::cli::replay::{planned, replay};
use crate::cli::settings::Settings;
use crate::cli::stored;
use crate::rollout::Event;
use crate::store::{Journal, RolloutRecord, Store, Wish};

pub(super) fn run(args: &Resume, settings: &Settings) -> Result<Exit, Failure> {
    let store = settings.store()?;
    let journal = store.journal()?;
    let Some(record) = choose(args.rollout.as_deref(), journal.rollouts()?)? else {
        crate::cli::commands::remark(settings, "No unfinished rollout to resume.");
        return Ok(Exit::Done);
    };
    crate::cli::commands::runtime()?.block_on(async {
        let cancel = cancel_on_signal()?;
        go_on(&record, &store, &journal, Asked::ByName, cancel, settings).await
    })
}

/// Without a name, the only one that is unfinished; none where all are finished.
fn choose(wanted: Option<&str>, rollouts: Vec<RolloutRecord>) -> Result<Option<RolloutRecord>, Failure> {
    let Some(wanted) = wanted else {
        let mut unfinished = find::unfinished(rollouts).into_iter();
        let Some(first) = unfinished.next() else { return Ok(None) };
        let others: Vec<String> =
            unfinished.map(|one| format!("{} of {}", one.id, one.certificate)).collect();
        if others.is_empty() {
            return Ok(Some(first));
        }
        return Err(Failure::usage(format!(
            "several rollouts are unfinished: {} of {}, {}",
            first.id,
            first.certificate,
            others.join(", ")
        ))
        .hint("name one: `certwave resume ROLLOUT`"));
    };
    let record = find::named(wanted, rollouts.clone())?;
    let newest = rollouts.into_iter().find(|one| one.certificate == record.certificate);
    if let Some(newest) = newest.filter(|newest| newest.id != record.id) {
        return Err(Failure::new(format!(
            "rollout {} of {} was followed by another, {}",
            record.id, record.certificate, newest.id
        ))
        .hint(format!("`certwave show {}` tells how that one went", newest.id)));
    }
    match record.outcome {
        Some(outcome) if !find::is_unfinished(Some(outcome)) => Err(Failure::new(format!(
            "rollout {} is finished: {}",
            record.id,
            outcome.name().replace('_', " ")
        ))
        .hint(format!("`certwave rollout {}` starts a new one", record.playbook))),
        _ => Ok(Some(record)),
    }
}

/// Who wants a rollout to be taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A person who knows about it: what was asked before counts no more.
    ByName,
    /// Another command. Who asked it to pause, or to stop, is heard.
    InPassing,
}

/// Takes a rollout up where its journal ends: with its plan, its certificate, and what hosts are found to be.
pub(super) async fn go_on(
    record: &RolloutRecord,
    store: &Store,
    journal: &Journal,
    asked: Asked,
    cancel: tokio::sync::watch::Receiver<bool>,
    settings: &Settings,
) -> Result<Exit, Failure> {
    let id = record.id.clone();
    let who = who(&id);
    let lease = store.lease(journal, &record.certificate, &who)?;
    if asked == Asked::ByName {
        journal.forget_pauses(&id)?;
    }
    let plan = planned(journal, record)?;
    let state = replay(journal, record, &plan)?;
    let aborts = |wish: &Wish| matches!(wish.event, Event::AbortRequested { .. });
    let goes_back = state.failed || journal.wishes(&id)?.iter().any(aborts);
    let set = certificate(record, store, goes_back)?;
    if !settings.json() {
        let how = record.outcome.map_or("was broken off".to_owned(), |outcome| {
            format!("ended as {}", outcome.name().replace('_', " "))
        });
        let text =
            format!("going on with rollout {id} of {} {}, which {how}", record.certificate, record.version);
        crate::cli::commands::remark(settings, &text);
    }
    let playbook = record.playbook.clone();
    let prober = carry_out::prober(&plan)?;
    let rollout = carry_out::Rollout { id, playbook, plan, prober, set, store, journal, lease: &lease, who };
    rollout.go_on(cancel, settings).await
}

/// What a certificate has to fulfil that was rolled out before: to be valid still.
pub(super) fn required(now: Timestamp) -> Requirements<'static> {
    Requirements { names: &[], now, at_least: std::time::Duration::ZERO }
}

/// The certificate that the rollout was about. Going back does not need it to be valid still, or not revoked.
fn certificate(record: &RolloutRecord, store: &Store, goes_back: bool) -> Result<CertificateSet, Failure> {
    let now = if goes_back { record.started } else { Timestamp::now() };
    let required = required(now);
    let (certificates, name, version) = (store.certificates(), &record.certificate, &record.version);
    let fit = if goes_back { Ok(()) } else { stored::not_revoked(&certificates, name, version) };
    fit.and_then(|()| stored::proven(&certificates, name, version, &required))
        .map_err(|failure| failure.hint(format!("`certwave rollout {}` issues another", record.playbook)))
}
