//! Drives a rollout to its end: the same for a new one and for one that is resumed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use crate::certificate::CertificateSet;
use crate::engine::{Driven, Fleet, Steering, Target, drive};
use crate::install::Payloads;
use crate::model::{CertificateName, OperationId};
use crate::operations::rollout_journal::OneRollout;
use crate::operations::{Context, Ended, Left, OperationError, Problem, certificates};
use crate::plan::Plan;
use crate::ports::{Clock, JournalError, Observer};
use crate::ports::{Journal, Lease};
use crate::report::Tally;
use crate::report::view::RolledOut;
use crate::rollout::{Event, Origin, RolloutKind, RolloutOutcome, RolloutRecord, State};
use crate::tls::TlsProber;

/// How often other terminals are listened to.
const LISTEN_EVERY: Duration = Duration::from_secs(1);
/// So many hosts that were left behind are looked at at once.
const LOOKS: usize = 64;

/// A rollout that is ready to be driven.
pub(super) struct ReadyRollout {
    pub(super) id: OperationId,
    /// The playbook's path, for the way out of errors.
    pub(super) playbook: String,
    pub(super) plan: Plan,
    pub(super) prober: TlsProber,
    pub(super) set: CertificateSet,
    pub(super) payloads: Payloads,
    pub(super) lease: Lease,
}

impl ReadyRollout {
    /// From its beginning to its end.
    pub(super) async fn begin(self, context: &Context<'_>) -> Result<Ended, OperationError> {
        self.record(context)?;
        self.drive(context, None).await
    }

    /// From where its journal ends.
    pub(super) async fn resume(self, context: &Context<'_>) -> Result<Ended, OperationError> {
        self.drive(context, Some(Event::Resumed)).await
    }

    /// Its record is on the disk before anything is done.
    fn record(&self, context: &Context<'_>) -> Result<(), OperationError> {
        let (plan, journal) = (&self.plan, &context.journal);
        let mut rollouts = journal.rollouts()?.into_iter();
        let last = rollouts.find(|rollout| rollout.certificate == plan.certificate.name);
        if let Some(unfinished) = last.filter(|rollout| rollout.outcome.is_none()) {
            // Its hosts are looked at like all others; in the history it is not left open for ever.
            let finished = Event::finished(RolloutOutcome::Interrupted);
            let end = [Event::Resumed, Event::Cancelled, finished];
            let end = end.map(|event| (context.now(), event.into()));
            journal.append(self.lease.as_ref(), &unfinished.id, &end)?;
        }
        let kind = if plan.schedule.goes_back() { RolloutKind::Rollback } else { RolloutKind::Rollout };
        let hosts = plan.schedule.hosts.len();
        let record = RolloutRecord {
            id: self.id.clone(),
            certificate: plan.certificate.name.clone(),
            version: self.set.version().clone(),
            playbook: self.playbook.clone(),
            started: context.now(),
            outcome: None,
            origin: Some(Origin { kind, by: context.by.clone(), hosts }),
        };
        let plan =
            serde_json::to_string(plan).map_err(|error| OperationError::to("keep the plan", &error))?;
        journal.begin(self.lease.as_ref(), &record, &plan)?;
        Ok(())
    }

    async fn drive(self, context: &Context<'_>, first: Option<Event>) -> Result<Ended, OperationError> {
        let Self { id, playbook, plan, prober, set, payloads, lease } = self;
        let (journal, clock) = (&context.journal, context.clock);
        let certificate = describe(&plan.certificate.name, &set);
        let stored = certificates::known(context, &plan.certificate.name)?;
        let target = (Arc::new(Target::new(set, stored)), payloads);
        let plan = Arc::new(plan);
        let holder = context.holder(&id);
        let fleet = Fleet::new(plan.clone(), target, context.connector.clone(), prober, clock, holder);
        let fleet = Arc::new(fleet);
        let mut observer = context.progress.observer(&id, &plan);
        let mut state = State::new(&plan.schedule);
        for event in journal.events(&id) {
            let (at, event) = event?;
            state.evolve(at, &event);
        }
        let mut take_in = |event: &Event| -> Result<(), OperationError> {
            let events = [(clock.now(), event.clone())];
            journal.append(lease.as_ref(), &id, &[(events[0].0, event.clone().into())])?;
            state.evolve(events[0].0, event);
            observer.events(&events, &state);
            Ok(())
        };
        first.iter().try_for_each(&mut take_in)?;
        let mut heard = 0;
        for command in journal.commands(&id)? {
            take_in(&command.event)?;
            heard = command.number;
        }
        let (sender, commands) = mpsc::channel(1);
        let listener = tokio::spawn(listen(journal.clone(), id.clone(), heard, sender));
        let events = OneRollout { journal: journal.clone(), lease: lease.clone(), id: id.clone() };
        let steering = Steering { cancel: context.cancel.clone(), commands };
        let driven = drive(&plan.schedule, state, fleet.clone(), events, clock, observer, steering).await;
        listener.abort();
        let ended = |summary| Ended { id: id.clone(), playbook: playbook.clone(), certificate, summary };
        if let Some(error) = &driven.journal_failure {
            let so_far = match error {
                JournalError::Unwritable(_) => {
                    let mut tally = tally(journal.as_ref(), &id, &plan)?;
                    driven.unwritten.iter().for_each(|(at, event)| tally.take_in(*at, event));
                    Some(Box::new(ended(tally.summary())))
                }
                JournalError::Deposed(_) => None,
            };
            return Err(unwritten(&driven, error, &plan, id, so_far));
        }
        let mut summary = tally(journal.as_ref(), &id, &plan)?.summary();
        if summary.outcome == Some(RolloutOutcome::Incomplete) {
            let left: Vec<_> = summary.left_behind().collect();
            let numbers: Vec<_> = left.iter().map(|(number, _)| *number).collect();
            let looks = stream::iter(numbers.into_iter().map(|number| fleet.expires(number)));
            let expiries: Vec<_> = looks.buffered(LOOKS).collect().await;
            left.into_iter().zip(expiries).for_each(|((_, host), at)| host.breaks_at = at);
        }
        Ok(ended(summary))
    }
}

/// Of a rollout, all that its journal has.
fn tally<'p>(journal: &dyn Journal, id: &OperationId, plan: &'p Plan) -> Result<Tally<'p>, OperationError> {
    let mut tally = Tally::new(&plan.schedule);
    for event in journal.events(id) {
        let (at, event) = event?;
        tally.take_in(at, &event);
    }
    Ok(tally)
}

/// Hears what people ask for in other terminals after the command numbered `heard`. A command is forgotten when its event
/// is written.
async fn listen(journal: Arc<dyn Journal>, id: OperationId, mut heard: i64, commands: mpsc::Sender<Event>) {
    loop {
        tokio::time::sleep(LISTEN_EVERY).await;
        let (journal, id) = (journal.clone(), id.clone());
        // Where the store cannot be read, the next event that is written finds out.
        let Ok(Ok(found)) = tokio::task::spawn_blocking(move || journal.commands(&id)).await else {
            continue;
        };
        for command in found {
            if command.number <= heard {
                continue;
            }
            heard = command.number;
            if commands.send(command.event).await.is_err() {
                return;
            }
        }
    }
}

/// How hosts were left when the journal could not be written.
fn unwritten(
    driven: &Driven,
    error: &JournalError,
    plan: &Plan,
    rollout: OperationId,
    so_far: Option<Box<Ended>>,
) -> OperationError {
    let hosts = plan.schedule.hosts.iter().zip(driven.state.hosts());
    let left = hosts.map(|(name, host)| (name.clone(), host.outcome().name().replace('_', " "))).collect();
    let problem = Problem::Journal { rollout, error: error.clone(), so_far };
    // What another controller does with them by now, only that one knows.
    let is_ours = matches!(error, JournalError::Unwritable(_));
    OperationError { problem, causes: vec![error.to_string()], left: is_ours.then_some(Left::Hosts(left)) }
}

fn describe(name: &CertificateName, set: &CertificateSet) -> RolledOut {
    RolledOut {
        name: name.clone(),
        version: set.version().clone(),
        leaf: set.leaf().into(),
        not_after: set.not_after(),
    }
}
