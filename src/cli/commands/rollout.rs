//! `certwave rollout`

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::args::Rollout;
use super::super::clock::SystemClock;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::load::{self, Loaded};
use super::super::settings::Settings;
use super::issue::{Choice, choose, issue};
use crate::certificate::{CertificateSet, parse_pem};
use crate::engine::{Fleet, Target, drive};
use crate::model::{Fingerprint, RolloutId};
use crate::report::{Certificate, JsonReporter, PlainReporter, ProgressReporter, Reporter, Summary};
use crate::rollout::{RolloutOutcome, State};
use crate::ssh::SshConnector;
use crate::store::{RolloutRecord, Store};
use crate::tls::TlsProber;

pub(super) fn run(args: &Rollout, settings: &Settings) -> Result<Exit, Failure> {
    let loaded = load::load(settings, &args.playbook, args.limit.as_deref())?;
    if !settings.json() {
        loaded.notes.iter().for_each(|note| super::remark(settings, &format!("note: {note}")));
    }
    super::runtime()?.block_on(roll_out(&loaded, args, settings))
}

async fn roll_out(loaded: &Loaded, args: &Rollout, settings: &Settings) -> Result<Exit, Failure> {
    let cancel = cancel_on_signal()?;
    let store = Store::open(&settings.state)?;
    let id = new_id()?;
    let who = who(&id);
    let _lease = store.lease(&loaded.plan.certificate, &who)?;
    let prober = TlsProber::new(&loaded.plan.ca_files)
        .map_err(|error| Failure::to("prepare the proof by handshakes", &error))?;
    let connector = SshConnector::default();

    let choice = choose(loaded, &store.certificates(), args.force)?;
    confirm(loaded, &choice, args.yes, settings)?;
    let set = match choice {
        Choice::Stored(set, _) => *set,
        Choice::New(_, kept) => issue(loaded, kept.map(|kept| *kept), &store, &connector, settings).await?,
    };
    // An order is brought to its end: tokens are withdrawn, and what counts against the CA's limits is kept.
    if *cancel.borrow() {
        let mut failure = Failure::new("interrupted before the first wave");
        failure.state =
            Some(format!("no host was touched; {} is in the store and is used next time", set.version()));
        failure.exit = Exit::Interrupted;
        return Err(failure);
    }

    let journal = store.journal()?;
    let plan = Arc::new(loaded.plan.clone());
    let certificate = describe(&loaded.plan.certificate, &set);
    journal.begin(&RolloutRecord {
        id: id.clone(),
        certificate: plan.certificate.clone(),
        version: set.version().clone(),
        playbook: args.playbook.display().to_string(),
        plan: serde_json::to_string(plan.as_ref()).map_err(|error| Failure::to("keep the plan", &error))?,
        started: Timestamp::now(),
        outcome: None,
    })?;
    let known = known_leaves(&store, &set)?;
    let target = Arc::new(Target { set, known });
    let fleet = Fleet::new(plan.clone(), target, connector, prober, SystemClock, who);
    let reporter = reporter(settings, &id, loaded);
    let state = State::new(&plan.schedule);
    let events = journal.of(&id);
    let driven = drive(&plan.schedule, state, Arc::new(fleet), events, SystemClock, reporter, cancel).await;
    if let Some(error) = driven.journal_failure {
        let mut failure = Failure::to("keep the journal", &error);
        let left: Vec<String> = plan
            .schedule
            .hosts
            .iter()
            .zip(driven.state.hosts())
            .map(|(name, host)| format!("{name} {}", host.outcome().name().replace('_', " ")))
            .collect();
        failure.state = Some(left.join(", "));
        failure.hint = Some("make room where the state is kept, then roll out again".to_owned());
        failure.exit = Exit::NeedsAttention;
        return Err(failure);
    }
    let summary = Summary::of(&plan.schedule, &journal.events(&id)?);
    finish(&id, &certificate, &summary, args, settings)
}

/// Prints the end: the table and a sentence, or the last line of JSON.
fn finish(
    id: &RolloutId,
    certificate: &Certificate,
    summary: &Summary,
    args: &Rollout,
    settings: &Settings,
) -> Result<Exit, Failure> {
    let outcome = summary.outcome.unwrap_or(RolloutOutcome::NeedsAttention);
    if settings.json() {
        super::print(&summary.to_json(Timestamp::now(), id, certificate).to_string());
        return Ok(outcome.into());
    }
    if settings.verbosity >= 0 {
        super::print(&format!("\n{}\n", summary.table()));
    }
    let sentence = summary.sentence(certificate);
    let playbook = args.playbook.display();
    match outcome {
        RolloutOutcome::Succeeded | RolloutOutcome::Unchanged => {
            super::print(&format!("{}: {sentence}", outcome.name()));
            Ok(Exit::Done)
        }
        _ => {
            let mut failure = Failure::new(sentence);
            failure.causes = summary.reasons();
            failure.state = Some(summary.fleet());
            failure.hint = Some(match outcome {
                RolloutOutcome::Paused | RolloutOutcome::Interrupted | RolloutOutcome::Incomplete => {
                    format!("`certwave rollout {playbook}` goes on: hosts that are done stay as they are")
                }
                _ => format!(
                    "`certwave show {id}` tells it step by step; mend the host, then `certwave rollout {playbook}`"
                ),
            });
            failure.exit = outcome.into();
            Err(failure)
        }
    }
}

fn describe(name: &crate::model::CertificateName, set: &CertificateSet) -> Certificate {
    let leaf = set.leaf();
    Certificate {
        name: name.clone(),
        version: set.version().clone(),
        fingerprint_sha256: leaf.fingerprint,
        serial: leaf.serial.clone(),
        not_after: set.not_after(),
    }
}

/// Every leaf in the store but the one being rolled out.
pub(super) fn known_leaves(store: &Store, set: &CertificateSet) -> Result<BTreeSet<Fingerprint>, Failure> {
    let chains = store.certificates().all_chains()?;
    let leaves = chains.iter().filter_map(|pem| Some(parse_pem(pem).ok()?.first()?.fingerprint));
    let own = set.leaves();
    Ok(leaves.filter(|leaf| !own.contains(leaf)).collect())
}

fn reporter(settings: &Settings, id: &RolloutId, loaded: &Loaded) -> Reporter {
    let schedule = loaded.plan.schedule.clone();
    let verbose = settings.verbosity > 0;
    if settings.json() {
        Reporter::Json(JsonReporter::new(id.clone(), schedule))
    } else if settings.verbosity < 0 {
        Reporter::Quiet
    } else if std::io::stderr().is_terminal() {
        Reporter::Progress(ProgressReporter::new(schedule, loaded.plan.certificate.to_string(), verbose))
    } else {
        Reporter::Plain(PlainReporter::new(verbose))
    }
}

fn new_id() -> Result<RolloutId, Failure> {
    let mut entropy = [0; 10];
    getrandom::fill(&mut entropy).map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    let millis = Timestamp::now().as_millisecond();
    Ok(RolloutId::new(u64::try_from(millis).unwrap_or_default(), entropy))
}

/// What others are told who want the same host.
fn who(id: &RolloutId) -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    format!("rollout {id} by process {} on {host}", std::process::id())
}

/// Asks before the first change; without a terminal only `--yes` will do.
fn confirm(loaded: &Loaded, choice: &Choice, yes: bool, settings: &Settings) -> Result<(), Failure> {
    let schedule = &loaded.plan.schedule;
    let hosts = schedule.hosts.len();
    let what = match choice {
        Choice::Stored(_, why) => format!("{why}, so it is rolled out as it is"),
        Choice::New(why, _) => why.clone(),
    };
    if !settings.json() {
        let waves: Vec<String> =
            schedule.waves.iter().map(|wave| format!("{} ({})", wave.name, wave.hosts().len())).collect();
        super::remark(settings, &format!("{}: {what}", loaded.plan.certificate));
        super::remark(settings, &format!("waves: {}, {hosts} in all", waves.join(", then ")));
    }
    if yes {
        return Ok(());
    }
    if !settings.interactive() {
        return Err(Failure::usage("nobody is there to confirm the rollout")
            .hint("add `--yes` where nobody is asked"));
    }
    let mut stderr = std::io::stderr();
    let asked =
        write!(stderr, "roll out to {hosts} hosts? Only `yes` will do: ").and_then(|()| stderr.flush());
    asked.map_err(|error| Failure::to("ask", &error))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::to("read the answer", &error))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::new("not confirmed; no host was touched")) }
}

/// Turns true at the first Ctrl-C, SIGTERM, or hang-up of the terminal. Further ones change nothing: hosts in flight are brought to
/// their end in any case. From here on none of them ends the process by itself.
pub(super) fn cancel_on_signal() -> Result<watch::Receiver<bool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Failure::to("listen for Ctrl-C", &error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut hangup = listen(SignalKind::hangup())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hangup.recv() => {} }
            // Nobody listens any more when the rollout has ended.
            if sender.send(true).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Rolls out a playbook without asking: what the demo does.
pub(super) fn run_unasked(playbook: &Path, settings: &Settings) -> Result<Exit, Failure> {
    let args = Rollout { playbook: playbook.to_owned(), force: false, limit: None, yes: true };
    run(&args, settings)
}
