//! Issues a certificate if one is due, and rolls it out.

use crate::model::Version;
use crate::operations::Ended;
use crate::operations::certificates::{self, still_valid};
use crate::operations::choose::{Choice, choose, known};
use crate::operations::drive::ReadyRollout;
use crate::operations::history::{last, planned};
use crate::operations::issue::{IssueRight, issue};
use crate::operations::payloads::payloads;
use crate::operations::plan::untrusted;
use crate::operations::resume::{self, TakenUp};
use crate::operations::saved_plan::TakenUpPlan;
use crate::operations::{Anew, Context, Left, News, OperationError, Problem, ledger};
use crate::plan::{Plan, PlannedWindows};
use crate::ports::{Question, Unanswered};
use crate::preview::Next;
use crate::rollout::{RolloutOutcome, RolloutRecord};

/// What is to be rolled out.
pub struct RolloutRequest {
    /// Who goes when, and how.
    pub plan: Plan,
    /// The saved plan that this is; it is carried out as it is.
    pub saved: Option<TakenUpPlan>,
    /// The playbook's path, as it was named.
    pub playbook: String,
    /// A new certificate is issued, though none is due.
    pub force: bool,
    /// The version to deploy.
    pub version: Option<Version>,
}

/// Rolls out.
///
/// # Errors
/// When nothing was begun, with how the fleet was left; or when the journal could not be written.
pub async fn rollout(context: &Context<'_>, request: RolloutRequest) -> Result<Ended, OperationError> {
    let RolloutRequest { mut plan, saved, playbook, force, version } = request;
    let (store, name) = (context.certificates, plan.certificate.name.clone());
    let id = context.new_id()?;
    let lease = context.lease(&name, &id)?;
    let last = last(context.journal.as_ref(), &name)?;
    none_waits(context, last.as_ref())?;
    if let Some(record) = last.filter(|rollout| rollout.outcome.is_none()) {
        if let Some(saved) = &saved {
            return Err(saved.after_unfinished(&record.id));
        }
        if is_resumed(context, &record, &plan, force || version.is_some()).await? {
            drop(lease);
            return resume::take_up(context, &record, TakenUp::InPassing).await;
        }
    }
    // Said before anything is paid for: a root that cannot be read.
    let prober = context.prober(&plan)?;

    let (force, version) = match saved.as_ref().map(|taken_up| &taken_up.saved.next) {
        Some(Next::New { forced, .. }) => (*forced, None),
        Some(Next::Stored { version }) => (false, Some(version)),
        None => (force, version.as_ref()),
    };
    let versions = ledger::versions(context.journal.as_ref(), &name)?;
    let choice = choose(&plan, store, &versions, (force, version), context.now())?;
    match &saved {
        Some(saved) => {
            let set = known(&plan, &choice, store, &versions, context.now())?;
            saved.same_certificate(&choice, set.as_ref())?;
            saved.same_hosts(context, set.as_ref()).await?;
        }
        None => {
            let (Choice::Stored(_, why) | Choice::New(why, _)) = &choice;
            intend(context, &plan, why.clone());
            confirm(context, &Question::RollOut { hosts: plan.hosts.len() }).await?;
        }
    }
    // Whoever waited for an answer may have lost the lease.
    lease.check().map_err(|error| OperationError::from(error).leaves(Left::Untouched))?;
    let set = match choice {
        Choice::Stored(set, _) => *set,
        Choice::New(_, kept) => {
            let held = IssueRight { lease: lease.as_ref(), operation: &id };
            issue(context, &held, &plan, kept.map(|kept| *kept))
                .await
                .map_err(|error| stopped(context, error))?
        }
    };
    if versions.issued(set.version()).is_none() {
        // Kept by one that died before it wrote that down.
        let known = ledger::versions(context.journal.as_ref(), &name)?;
        if known.issued(set.version()).is_none() {
            ledger::note(context, lease.as_ref(), &id, ledger::issued(&name, &set, None))?;
        }
    }
    // An order is brought to its end: tokens are withdrawn, and what counts against the CA's limits is kept.
    let stored = |is_used| Left::Stored { version: set.version().clone(), is_used };
    if context.is_cancelled() {
        let problem = Problem::Interrupted("before the first wave");
        return Err(OperationError::from(problem).leaves(stored(true)));
    }
    if let Some(reason) = untrusted(&prober, &set) {
        return Err(OperationError::from(Problem::NotTrusted(reason)).leaves(stored(false)));
    }
    ledger::mind_hosts(context, &mut plan, Some(set.version()))?;
    mind_windows(context, &plan);
    let payloads = payloads(&plan, &set)?;
    ReadyRollout { id, playbook, plan, prober, set, payloads, lease }.begin(context).await
}

/// Whoever asked to stop while a certificate was issued is told of that, and not only of what came of it.
fn stopped(context: &Context<'_>, error: OperationError) -> OperationError {
    if !context.is_cancelled() {
        return error;
    }
    let OperationError { problem, mut causes, left } = error;
    causes.insert(0, problem.to_string());
    OperationError { problem: Problem::Interrupted("while a certificate was issued"), causes, left }
}

fn intend(context: &Context<'_>, plan: &Plan, why: String) {
    let name = plan.certificate.name.clone();
    let waves = plan.schedule.waves.iter().map(|wave| (wave.name.clone(), wave.hosts().len())).collect();
    context.progress.say(&News::Intended { name, why, waves });
}

/// Asks before the first change.
///
/// # Errors
/// When the answer is not yes, or there is none.
pub(super) async fn confirm(context: &Context<'_>, question: &Question) -> Result<(), OperationError> {
    match answer(context, question).await? {
        true => Ok(()),
        false => Err(Problem::NotConfirmed.into()),
    }
}

async fn answer(context: &Context<'_>, question: &Question) -> Result<bool, OperationError> {
    context.confirm.confirm(question).await.map_err(|unanswered| match unanswered {
        Unanswered::Nobody => Problem::NobodyToConfirm.into(),
        Unanswered::Interrupted => {
            OperationError::from(Problem::Interrupted("at the question")).leaves(Left::Unchanged)
        }
        Unanswered::Lost(act) => {
            OperationError::from(Problem::Act("read the answer".to_owned())).because(act)
        }
    })
}

/// Says that windows no longer count, since what is served is about to expire.
fn mind_windows(context: &Context<'_>, plan: &Plan) {
    let Some(windows) = &plan.schedule.windows else { return };
    let now = context.now();
    let closed = PlannedWindows { served_until: None, ..windows.clone() }.open(now) != Some(now);
    if let Some(served_until) = windows.served_until.filter(|_| closed && windows.open(now) == Some(now)) {
        context.progress.say(&News::WindowOverridden { served_until });
    }
}

/// Refuses another rollout while the last one waits for a person: `abort` and `approve` would then mean the wrong one.
/// Nobody can resume one whose certificate expired or was revoked: it is named, and the other one begins.
pub(super) fn none_waits(context: &Context<'_>, last: Option<&RolloutRecord>) -> Result<(), OperationError> {
    let paused = |rollout: &&RolloutRecord| rollout.outcome == Some(RolloutOutcome::Paused);
    let Some(record) = last.filter(paused) else { return Ok(()) };
    let RolloutRecord { id, certificate, version, .. } = record;
    let (store, required) = (context.certificates, still_valid(context.now()));
    let versions = ledger::versions(context.journal.as_ref(), certificate)?;
    let fit = certificates::not_revoked(&versions, certificate, version)
        .and_then(|()| certificates::proven(store, certificate, version, &required));
    match fit {
        Ok(_) => {
            let problem = Problem::Waits(Box::new(record.clone()));
            Err(OperationError::from(problem).leaves(Left::Untouched))
        }
        Err(unfit) => {
            let reason = unfit.problem.to_string();
            context.progress.say(&News::StaysPaused { rollout: id.clone(), reason });
            Ok(())
        }
    }
}

/// Whether the one that did not end is resumed, rather than a new one begun.
async fn is_resumed(
    context: &Context<'_>,
    record: &RolloutRecord,
    plan: &Plan,
    other_certificate: bool,
) -> Result<bool, OperationError> {
    // One that cannot be read is not the same.
    let same = planned(context.journal.as_ref(), &record.id).is_ok_and(|mut planned| {
        // Found out when it began.
        planned.schedule.unsoaked.clear();
        if let Some(windows) = &mut planned.schedule.windows {
            windows.served_until = None;
        }
        planned == *plan
    });
    let say = |anew| context.progress.say(&News::Unfinished { record: record.clone(), anew, same });
    if other_certificate {
        say(Some(Anew::OtherCertificate));
        return Ok(false);
    }
    let question = Question::Resume { rollout: record.id.clone(), same };
    if context.confirm.is_automatic() {
        if !same {
            say(Some(Anew::OtherPlan));
        }
        return Ok(same);
    }
    say(None);
    answer(context, &question).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{World, version};
    use crate::rollout::RolloutOutcome::{Interrupted, Paused, Succeeded};

    #[test]
    fn another_rollout_waits_for_one_that_is_paused_unless_nobody_can_resume_it() {
        for outcome in [None, Some(Interrupted), Some(Succeeded)] {
            let world = World::new();
            world.keep(&version(1), 20);
            let id = world.rolled_out(&version(1), 1, outcome);
            assert!(none_waits(&world.context(), Some(&world.record(&id))).is_ok(), "{outcome:?}");
        }
        let world = World::new();
        assert!(none_waits(&world.context(), None).is_ok());
        world.keep(&version(1), 20);
        let id = world.rolled_out(&version(1), 1, Some(Paused));
        let paused = world.record(&id);
        let waits = none_waits(&world.context(), Some(&paused)).unwrap_err();
        assert!(matches!(waits.problem, Problem::Waits(_)), "{waits:?}");
        assert_eq!((waits.left, world.heard().len()), (Some(Left::Untouched), 0));
        world.revoke(&version(1));
        assert!(none_waits(&world.context(), Some(&paused)).is_ok());
        assert!(matches!(&world.heard()[..], [News::StaysPaused { rollout, .. }] if *rollout == id));
    }

    #[test]
    fn a_paused_rollout_whose_certificate_is_gone_or_has_expired_holds_up_nothing() {
        let world = World::new();
        world.keep(&version(2), -1);
        for number in [1, 2] {
            let id = world.rolled_out(&version(number), 1, Some(Paused));
            assert!(none_waits(&world.context(), Some(&world.record(&id))).is_ok(), "{number}");
        }
        assert_eq!(world.heard().len(), 2);
    }

    /// Whether a rollout that did not end is resumed, and what is said of that.
    async fn resumed(world: &World, change: fn(&mut Plan), other_certificate: bool) -> (bool, Vec<News>) {
        let mut begun = world.plan();
        // Found out when it began: no other plan.
        begun.schedule.unsoaked.insert(crate::plan::HostIndex::new(0));
        let id = world.rolled_out_as(&begun, &version(1), 1, None);
        let mut plan = world.plan();
        change(&mut plan);
        let record = world.record(&id);
        let resumed = is_resumed(&world.context(), &record, &plan, other_certificate).await.unwrap();
        (resumed, world.heard())
    }

    #[tokio::test]
    async fn a_person_is_asked_whether_a_rollout_that_did_not_end_is_resumed() {
        for (world, says_yes) in [(World::new(), false), (World::new().says_yes(), true)] {
            let (resumed, heard) = resumed(&world, |_| {}, false).await;
            assert_eq!(resumed, says_yes);
            assert!(matches!(&heard[..], [News::Unfinished { anew: None, same: true, .. }]), "{heard:?}");
            assert!(matches!(&world.asked()[..], [Question::Resume { same: true, .. }]));
        }
        let world = World::new();
        resumed(&world, |plan| plan.schedule.waves[0].parallel = 9, false).await;
        assert!(matches!(&world.asked()[..], [Question::Resume { same: false, .. }]));
    }

    #[tokio::test]
    async fn a_rule_resumes_what_is_the_same_and_begins_anew_what_is_not() {
        let same = resumed(&World::new().by_rule(), |_| {}, false).await;
        assert!(same.0 && same.1.is_empty());
        let other = resumed(&World::new().by_rule(), |plan| plan.schedule.waves[0].parallel = 9, false).await;
        assert!(!other.0 && matches!(&other.1[..], [News::Unfinished { anew: Some(Anew::OtherPlan), .. }]));
    }

    #[tokio::test]
    async fn who_asks_for_another_certificate_resumes_nothing() {
        for world in [World::new().says_yes(), World::new().by_rule()] {
            let (resumed, heard) = resumed(&world, |_| {}, true).await;
            assert!(!resumed && world.asked().is_empty());
            let [News::Unfinished { anew: Some(Anew::OtherCertificate), .. }] = &heard[..] else {
                panic!("{heard:?}")
            };
        }
    }

    /// It is a Friday, at eight.
    #[test]
    fn it_is_said_when_windows_are_overridden_and_only_then() {
        let served_until = crate::certificate::testing::now() + jiff::SignedDuration::from_hours(48);
        let said = |window: &str, days: u64| {
            let world = World::new();
            let mut plan = world.plan();
            plan.schedule.windows = Some(PlannedWindows {
                allow: vec![window.parse().unwrap()],
                override_before_expiry: Some(std::time::Duration::from_secs(days * 86_400)),
                served_until: Some(served_until),
            });
            mind_windows(&world.context(), &plan);
            matches!(&world.heard()[..], [News::WindowOverridden { served_until: told }] if *told == served_until)
        };
        assert!(said("Mon 09:00-10:00 UTC", 3));
        assert!(!said("Mon 09:00-10:00 UTC", 1), "it is not about to expire");
        assert!(!said("Fri 07:00-10:00 UTC", 3), "a window is open");
    }
}
