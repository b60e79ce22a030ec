//! `certwave pause`, `abort` and `approve`: steering a rollout from another terminal.

use crate::cli::args::{Approve, Steer};
use crate::cli::carry_out::{cancel_on_signal, person, who};
use crate::cli::commands::resume::{self, Asked};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::find;
use crate::cli::replay::{planned, replay};
use crate::cli::settings::Settings;
use crate::model::WaveName;
use crate::rollout::Event;
use crate::store::{Journal, RolloutRecord, Store, StoreError};

/// Finishes what is in flight, then ends; `resume` goes on.
pub(super) fn pause(args: &Steer, settings: &Settings) -> Result<Exit, Failure> {
    let (store, journal, record) = open(&args.rollout, settings)?;
    if !is_running(&store, &journal, &record)? {
        return Err(Failure::new(format!("rollout {} does not run: there is nothing to pause", record.id))
            .hint(format!("`certwave show {}` tells how it went", record.id)));
    }
    journal.wish(&record.id, &Event::PauseRequested { by: person() })?;
    crate::cli::commands::remark(
        settings,
        &format!("rollout {} is told to pause: hosts in flight are finished first", record.id),
    );
    Ok(Exit::Done)
}

/// Stops it and rolls back as `on_failure` says: the controller that runs it, or else this one.
pub(super) fn abort(args: &Steer, settings: &Settings) -> Result<Exit, Failure> {
    let (store, journal, record) = open(&args.rollout, settings)?;
    if !find::is_unfinished(record.outcome) {
        return Err(Failure::new(format!("rollout {} is finished: there is nothing to abort", record.id))
            .hint(format!("`certwave rollback {}` puts the fleet back", record.playbook)));
    }
    let running = is_running(&store, &journal, &record)?;
    journal.wish(&record.id, &Event::AbortRequested { by: person() })?;
    if running {
        crate::cli::commands::remark(
            settings,
            &format!("rollout {} is told to stop and to roll back", record.id),
        );
        return Ok(Exit::Done);
    }
    crate::cli::commands::runtime()?.block_on(async {
        let cancel = cancel_on_signal()?;
        resume::go_on(&record, &store, &journal, Asked::InPassing, cancel, settings).await
    })
}

/// Lets a wave begin that asks for an approval.
pub(super) fn approve(args: &Approve, settings: &Settings) -> Result<Exit, Failure> {
    let (store, journal, record) = open(&args.rollout, settings)?;
    if !find::is_unfinished(record.outcome) {
        return Err(Failure::new(format!(
            "rollout {} is finished: nothing waits for an approval",
            record.id
        )));
    }
    let plan = planned(&journal, &record)?;
    let state = replay(&journal, &record, &plan)?;
    let waiting: Vec<&WaveName> =
        plan.schedule.waves.iter().filter(|wave| state.lacks_approval(wave)).map(|wave| &wave.name).collect();
    let wave = match &args.wave {
        None => waiting.first().copied(),
        Some(name) => waiting.iter().copied().find(|wave| *wave == name),
    };
    let Some(wave) = wave else {
        let names: Vec<&str> = waiting.iter().map(|wave| wave.as_str()).collect();
        let failure = match &args.wave {
            Some(wave) => Failure::usage(format!("wave `{wave}` does not wait for an approval")),
            None => Failure::new(format!("no wave of rollout {} waits for an approval", record.id)),
        };
        return Err(if names.is_empty() {
            failure
        } else {
            failure.hint(format!("one does: {}", names.join(", ")))
        });
    };
    journal.wish(&record.id, &Event::Approved { wave: wave.clone(), by: person() })?;
    let next = match is_running(&store, &journal, &record)? {
        true => String::new(),
        false => format!("; `certwave resume {}` goes on", record.id),
    };
    crate::cli::commands::remark(
        settings,
        &format!("wave `{wave}` of rollout {} is approved{next}", record.id),
    );
    Ok(Exit::Done)
}

fn open(wanted: &str, settings: &Settings) -> Result<(Store, Journal, RolloutRecord), Failure> {
    let store = settings.store()?;
    let journal = store.journal()?;
    let record = find::named(wanted, journal.rollouts()?)?;
    Ok((store, journal, record))
}

/// Whether a controller holds the lease of its certificate.
fn is_running(store: &Store, journal: &Journal, record: &RolloutRecord) -> Result<bool, Failure> {
    if record.outcome.is_some() {
        return Ok(false);
    }
    match store.lease(journal, &record.certificate, &who(&record.id)) {
        Ok(_) => Ok(false),
        Err(StoreError::Held { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
