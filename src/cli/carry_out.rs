//! Drives a rollout to its end and says how it went: the same for a new one and for one that goes on.

use std::io::IsTerminal;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::certificate::CertificateSet;
use crate::cli::args::LogFormat;
use crate::cli::clock::SteadyClock;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::{print, remark};
use crate::cli::settings::Settings;
use crate::cli::stored;
use crate::engine::{Fleet, Steering, Target, drive};
use crate::model::{CertificateName, RolloutId};
use crate::plan::{Plan, Schedule};
use crate::ports::{Clock, JournalError, Observer};
use crate::report::{Certificate, JsonReporter, PlainReporter, ProgressReporter, Reporter, Summary, Tally};
use crate::rollout::{Event, Origin, RolloutKind, RolloutOutcome, State};
use crate::ssh::SshConnector;
use crate::store::{Journal, Lease, RolloutRecord, Store};
use crate::tls::TlsProber;

/// How often other terminals are listened to.
const LISTEN_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
/// So many hosts that were left behind are looked at at once.
const LOOKS: usize = 64;

/// A rollout that is ready to be driven.
pub(super) struct Rollout<'a> {
    pub(super) id: RolloutId,
    /// The playbook's path, for the way out of errors.
    pub(super) playbook: String,
    pub(super) plan: Plan,
    /// See [`prober`].
    pub(super) prober: TlsProber,
    pub(super) set: CertificateSet,
    pub(super) store: &'a Store,
    pub(super) journal: &'a Journal,
    pub(super) lease: &'a Lease,
    /// What hosts are told who holds them.
    pub(super) who: String,
}

impl Rollout<'_> {
    /// From its beginning to its end.
    pub(super) async fn carry_out(
        self,
        cancel: watch::Receiver<bool>,
        settings: &Settings,
    ) -> Result<Exit, Failure> {
        self.begin()?;
        self.drive(None, cancel, settings).await
    }

    /// From where its journal ends.
    pub(super) async fn go_on(
        self,
        cancel: watch::Receiver<bool>,
        settings: &Settings,
    ) -> Result<Exit, Failure> {
        self.drive(Some(Event::Resumed), cancel, settings).await
    }

    /// Its record is on the disk before anything is done.
    fn begin(&self) -> Result<(), Failure> {
        let plan = &self.plan;
        let mut rollouts = self.journal.rollouts()?.into_iter();
        let last = rollouts.find(|rollout| rollout.certificate == plan.certificate);
        if let Some(broken_off) = last.filter(|rollout| rollout.outcome.is_none()) {
            // Its hosts are looked at like all others; in the history it is not left open for ever.
            let finished = Event::finished(RolloutOutcome::Interrupted);
            let end = [Event::Resumed, Event::Cancelled, finished];
            let end = end.map(|event| (Timestamp::now(), event));
            self.journal.append(&broken_off.id, &self.lease.fence(), &end)?;
        }
        let kind = if plan.schedule.goes_back() { RolloutKind::Rollback } else { RolloutKind::Rollout };
        let record = RolloutRecord {
            id: self.id.clone(),
            certificate: plan.certificate.clone(),
            version: self.set.version().clone(),
            playbook: self.playbook.clone(),
            started: Timestamp::now(),
            outcome: None,
            origin: Some(Origin { kind, by: person(), hosts: plan.schedule.hosts.len() }),
        };
        let plan = serde_json::to_string(plan).map_err(|error| Failure::to("keep the plan", &error))?;
        self.journal.begin(&record, &plan)?;
        Ok(())
    }

    async fn drive(
        self,
        first: Option<Event>,
        cancel: watch::Receiver<bool>,
        settings: &Settings,
    ) -> Result<Exit, Failure> {
        let certificate = describe(&self.plan.certificate, &self.set);
        let stored = stored::known(&self.store.certificates(), &self.plan.certificate)?;
        let target = Arc::new(Target::new(self.set, stored));
        let plan = Arc::new(self.plan);
        let connector = SshConnector::default();
        let clock = SteadyClock::start();
        let fleet = Fleet::new(plan.clone(), target, connector, self.prober, clock, self.who);
        let fleet = Arc::new(fleet);
        let mut reporter = reporter(settings, &self.id, &plan);
        let mut state = State::new(&plan.schedule);
        for event in self.journal.events(&self.id) {
            let (at, event) = event?;
            state.evolve(at, &event);
        }
        let mut take_in = |event: &Event| -> Result<(), Failure> {
            let events = [(clock.now(), event.clone())];
            self.journal.append(&self.id, &self.lease.fence(), &events)?;
            state.evolve(events[0].0, event);
            reporter.events(&events, &state);
            Ok(())
        };
        first.iter().try_for_each(&mut take_in)?;
        let mut heard = 0;
        for wish in self.journal.wishes(&self.id)? {
            take_in(&wish.event)?;
            heard = wish.number;
        }
        let (sender, wishes) = mpsc::channel(1);
        let listener = tokio::spawn(listen(self.journal.clone(), self.id.clone(), heard, sender));
        let events = self.journal.of(&self.id, self.lease.fence());
        let beat = tokio::spawn(keep(self.journal.clone(), self.lease.fence()));
        let driven =
            drive(&plan.schedule, state, fleet.clone(), events, clock, reporter, Steering { cancel, wishes })
                .await;
        beat.abort();
        listener.abort();
        if let Some(error) = driven.journal_failure {
            let mut failure = unwritten(&error, &plan.schedule, &driven.state, &self.id);
            if settings.json() && matches!(error, JournalError::Unwritable(_)) {
                let mut tally = tally(self.journal, &self.id, &plan)?;
                driven.unwritten.iter().for_each(|(at, event)| tally.take_in(*at, event));
                let mut line = tally.summary().to_json(Timestamp::now(), &self.id, &certificate);
                line["error"] = failure.message.clone().into();
                print(&line.to_string());
                failure.is_told = true;
            }
            return Err(failure);
        }
        let mut summary = tally(self.journal, &self.id, &plan)?.summary();
        if summary.outcome == Some(RolloutOutcome::Incomplete) {
            let left: Vec<_> = summary.left_behind().collect();
            let numbers: Vec<_> = left.iter().map(|(number, _)| *number).collect();
            let looks = stream::iter(numbers.into_iter().map(|number| fleet.expires(number)));
            let expiries: Vec<_> = looks.buffered(LOOKS).collect().await;
            left.into_iter().zip(expiries).for_each(|((_, host), at)| host.breaks_at = at);
        }
        finish(&self.id, &certificate, &summary, &self.playbook, settings)
    }
}

/// Of a rollout, all that its journal has.
fn tally<'p>(journal: &Journal, id: &RolloutId, plan: &'p Plan) -> Result<Tally<'p>, Failure> {
    let mut tally = Tally::new(&plan.schedule);
    for event in journal.events(id) {
        let (at, event) = event?;
        tally.take_in(at, &event);
    }
    Ok(tally)
}

/// Hears what people ask for in other terminals after the wish numbered `heard`. A wish is forgotten when its event is
/// written.
async fn listen(journal: Journal, id: RolloutId, mut heard: i64, wishes: mpsc::Sender<Event>) {
    loop {
        tokio::time::sleep(LISTEN_EVERY).await;
        let (journal, id) = (journal.clone(), id.clone());
        // Where the store cannot be read, the next event that is written finds out.
        let Ok(Ok(found)) = tokio::task::spawn_blocking(move || journal.wishes(&id)).await else { continue };
        for wish in found {
            if wish.number <= heard {
                continue;
            }
            heard = wish.number;
            if wishes.send(wish.event).await.is_err() {
                return;
            }
        }
    }
}

/// Prolongs the lease while nothing is written: during a soak of hours, too.
async fn keep(journal: Journal, fence: crate::store::Fence) {
    loop {
        tokio::time::sleep(Lease::PROLONG_EVERY).await;
        let (journal, fence) = (journal.clone(), fence.clone());
        // Where this fails, the next event that is written finds out.
        let _ = tokio::task::spawn_blocking(move || journal.prolong(&fence)).await;
    }
}

/// Who asks, for the record.
pub(super) fn person() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    let name = user.map_or_else(|| nix::unistd::getuid().to_string(), |user| user.name);
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    format!("{name}@{host}")
}

/// What is said when the journal could not be written.
fn unwritten(error: &JournalError, schedule: &Schedule, state: &State, id: &RolloutId) -> Failure {
    let hosts = || schedule.hosts.iter().zip(state.hosts());
    let mut failure = match error {
        JournalError::Unwritable(_) => Failure::to("keep the journal", error)
            .hint(format!("make room where the state is kept, then `certwave resume {id}`")),
        JournalError::Deposed(_) => {
            Failure::to("go on", error).hint(format!("`certwave show {id}` tells what the other one does"))
        }
    };
    let left: Vec<String> =
        hosts().map(|(name, host)| format!("{name} {}", host.outcome().name().replace('_', " "))).collect();
    failure.state = Some(left.join(", "));
    failure.exit = Exit::NeedsAttention;
    failure
}

/// Prints the end: the table and a sentence, or the last line of JSON.
fn finish(
    id: &RolloutId,
    certificate: &Certificate,
    summary: &Summary,
    playbook: &str,
    settings: &Settings,
) -> Result<Exit, Failure> {
    let outcome = summary.outcome.unwrap_or(RolloutOutcome::NeedsAttention);
    if settings.json() {
        print(&summary.to_json(Timestamp::now(), id, certificate).to_string());
        let wanted = outcome == RolloutOutcome::RolledBack && summary.undo;
        return Ok(if wanted { Exit::Done } else { outcome.into() });
    }
    if settings.verbosity >= 0 {
        print(&format!("\n{}\n", summary.table()));
    }
    summary.notes().iter().for_each(|note| remark(settings, &format!("note: {note}")));
    let sentence = summary.sentence(certificate);
    match outcome {
        RolloutOutcome::Succeeded | RolloutOutcome::Unchanged => {
            print(&format!("{}: {sentence}", summary.word()));
            Ok(Exit::Done)
        }
        RolloutOutcome::RolledBack if summary.undo => {
            print(&format!("{}: {sentence}", summary.word()));
            Ok(Exit::Done)
        }
        _ => {
            let mut failure = Failure::new(sentence);
            failure.causes = summary.reasons();
            failure.state = Some(summary.fleet());
            failure.hint = Some(match outcome {
                RolloutOutcome::Paused if summary.awaits_approval() => {
                    format!("`certwave approve {id}`, then `certwave resume {id}`")
                }
                RolloutOutcome::Paused | RolloutOutcome::Interrupted | RolloutOutcome::Incomplete => {
                    format!("`certwave resume {id}` goes on: hosts that are done stay as they are")
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

fn describe(name: &CertificateName, set: &CertificateSet) -> Certificate {
    let leaf = set.leaf();
    Certificate {
        name: name.clone(),
        version: set.version().clone(),
        fingerprint_sha256: leaf.fingerprint,
        serial: leaf.serial.clone(),
        not_after: set.not_after(),
    }
}

/// What a plan's endpoints are proven by. The system's roots take a while to read: it is made once.
pub(super) fn prober(plan: &Plan) -> Result<TlsProber, Failure> {
    TlsProber::new(&plan.ca_files).map_err(|error| Failure::to("prepare the proof by handshakes", &error))
}

fn reporter(settings: &Settings, id: &RolloutId, plan: &Plan) -> Reporter {
    let verbose = settings.verbosity > 0;
    if settings.json() {
        Reporter::Json(JsonReporter::new(id.clone(), plan.schedule.clone()))
    } else if settings.verbosity < 0 {
        Reporter::Quiet
    } else if settings.log_format == LogFormat::Json {
        Reporter::Json(JsonReporter::new(id.clone(), plan.schedule.clone()).on_stderr())
    } else if can_draw() {
        let back = if plan.schedule.goes_back() { " back" } else { "" };
        let title = format!("{}{back}", plan.certificate);
        Reporter::Progress(ProgressReporter::new(plan.schedule.clone(), title, verbose))
    } else {
        Reporter::Plain(PlainReporter::new(verbose))
    }
}

/// Whether standard error is a terminal that can move its cursor. One that cannot (`TERM=dumb`, or none) gets lines.
fn can_draw() -> bool {
    let term = std::env::var_os("TERM").filter(|term| !term.is_empty() && term != "dumb");
    std::io::stderr().is_terminal() && term.is_some()
}

/// What others are told who want the same certificate or host.
pub(super) fn who(id: &RolloutId) -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    format!("rollout {id} by process {} on {host}", std::process::id())
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
