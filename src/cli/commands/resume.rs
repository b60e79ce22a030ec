//! `certwave resume`

use jiff::Timestamp;

use super::super::args::Resume;
use super::super::carry_out::{self, cancel_on_signal, who};
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::find;
use super::super::replay::{planned, replay};
use super::super::settings::Settings;
use super::super::stored;
use crate::certificate::{CertificateSet, Requirements};
use crate::rollout::State;
use crate::store::{Journal, RolloutRecord, Store};

pub(super) fn run(args: &Resume, settings: &Settings) -> Result<Exit, Failure> {
    let store = settings.store()?;
    let journal = store.journal()?;
    let record = choose(args.rollout.as_deref(), journal.rollouts()?)?;
    super::runtime()?.block_on(async {
        let cancel = cancel_on_signal()?;
        go_on(&record, &store, &journal, cancel, settings).await
    })
}

/// Without a name, the only one that can be gone on with.
fn choose(wanted: Option<&str>, rollouts: Vec<RolloutRecord>) -> Result<RolloutRecord, Failure> {
    let Some(wanted) = wanted else {
        let mut unfinished = find::unfinished(rollouts).into_iter();
        let Some(first) = unfinished.next() else {
            return Err(Failure::usage("every rollout is finished: there is nothing to go on with")
                .hint("`certwave history` lists them"));
        };
        let others: Vec<String> =
            unfinished.map(|one| format!("{} of {}", one.id, one.certificate)).collect();
        if others.is_empty() {
            return Ok(first);
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
        _ => Ok(record),
    }
}

/// Takes a rollout up where its journal ends: with its plan, its certificate, and what hosts are found to be.
pub(super) async fn go_on(
    record: &RolloutRecord,
    store: &Store,
    journal: &Journal,
    cancel: tokio::sync::watch::Receiver<bool>,
    settings: &Settings,
) -> Result<Exit, Failure> {
    let id = record.id.clone();
    let who = who(&id);
    let lease = store.lease(journal, &record.certificate, &who)?;
    let plan = planned(journal, record)?;
    let state = replay(journal, record, &plan)?;
    let set = certificate(record, store, &state)?;
    if !settings.json() {
        let how = record.outcome.map_or("was broken off".to_owned(), |outcome| {
            format!("ended as {}", outcome.name().replace('_', " "))
        });
        let text =
            format!("going on with rollout {id} of {} {}, which {how}", record.certificate, record.version);
        super::remark(settings, &text);
    }
    let playbook = record.playbook.clone();
    let prober = carry_out::prober(&plan)?;
    let rollout = carry_out::Rollout { id, playbook, plan, prober, set, store, journal, lease: &lease, who };
    rollout.go_on(cancel, settings).await
}

/// The certificate that the rollout was about. Going back does not need it to be valid still, or not revoked.
fn certificate(record: &RolloutRecord, store: &Store, state: &State) -> Result<CertificateSet, Failure> {
    let now = if state.failed { record.started } else { Timestamp::now() };
    let required = Requirements { names: &[], now, at_least: std::time::Duration::ZERO };
    let (certificates, name, version) = (store.certificates(), &record.certificate, &record.version);
    let fit = if state.failed { Ok(()) } else { stored::not_revoked(&certificates, name, version) };
    fit.and_then(|()| stored::proven(&certificates, name, version, &required))
        .map_err(|failure| failure.hint(format!("`certwave rollout {}` issues another", record.playbook)))
}
