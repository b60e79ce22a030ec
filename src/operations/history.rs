//! What the journal tells: which rollouts there were, how each went, and what that left on hosts.

use crate::model::{CertificateName, OperationId};
use crate::operations::{OperationError, Problem};
use crate::plan::Plan;
use crate::ports::Journal;
use crate::rollout::{HostOutcome, RolloutRecord, State};

/// What came of a rollout: its events, folded. `plan` is its own.
///
/// # Errors
/// When the journal cannot be read.
pub fn replay(journal: &dyn Journal, id: &OperationId, plan: &Plan) -> Result<State, OperationError> {
    let mut state = State::new(&plan.schedule);
    for event in journal.events(id) {
        let (at, event) = event?;
        state.evolve(at, &event);
    }
    Ok(state)
}

/// A rollout as it was planned.
///
/// # Errors
/// When the journal cannot be read.
pub fn planned(journal: &dyn Journal, id: &OperationId) -> Result<Plan, OperationError> {
    serde_json::from_str(&journal.plan(id)?.unwrap_or_default())
        .map_err(|error| OperationError::to(&format!("read the plan of rollout `{id}`"), &error))
}

/// The rollout that a person means: `last`, or the start of a name that only one has.
///
/// # Errors
/// When there is none, or several.
pub fn named(journal: &dyn Journal, wanted: &str) -> Result<RolloutRecord, OperationError> {
    let upper = wanted.to_ascii_uppercase();
    let fits = |rollout: &RolloutRecord| wanted == "last" || rollout.id.as_str().starts_with(&upper);
    let mut matching = journal.rollouts()?.into_iter().filter(fits);
    let first = matching.next().ok_or(Problem::NoRollout(wanted.to_owned()))?;
    match matching.next().filter(|_| wanted != "last") {
        Some(second) => {
            let (first, second) = (first.id, second.id);
            Err(Problem::Ambiguous { wanted: wanted.to_owned(), first, second }.into())
        }
        None => Ok(first),
    }
}

/// The last rollout of a certificate.
///
/// # Errors
/// When the journal cannot be read.
pub fn last(journal: &dyn Journal, name: &CertificateName) -> Result<Option<RolloutRecord>, OperationError> {
    Ok(journal.rollouts()?.into_iter().find(|rollout| rollout.certificate == *name))
}

/// A rollout, and which of its hosts it left on its certificate.
pub struct LastVerified {
    /// The rollout.
    pub record: RolloutRecord,
    /// As it was carried out.
    pub plan: Plan,
    /// For each host of the plan, whether it was left on the certificate, verified.
    pub on_it: Vec<bool>,
}

impl LastVerified {
    /// Reads how a rollout went, as far as it has.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn by(journal: &dyn Journal, record: RolloutRecord) -> Result<Self, OperationError> {
        let plan = planned(journal, &record.id)?;
        let state = replay(journal, &record.id, &plan)?;
        let done = |outcome| matches!(outcome, HostOutcome::Changed | HostOutcome::Unchanged);
        let on_it = state.hosts().iter().map(|host| done(host.outcome())).collect();
        Ok(Self { record, plan, on_it })
    }
}

/// The last rollout of a certificate that left a host on it. One that was rolled back, or stopped before it changed
/// anything, left hosts on what an earlier one had brought.
///
/// # Errors
/// When the journal cannot be read.
pub fn last_verified(
    journal: &dyn Journal,
    name: &CertificateName,
) -> Result<Option<LastVerified>, OperationError> {
    for record in journal.rollouts()?.into_iter().filter(|record| record.certificate == *name) {
        let left = LastVerified::by(journal, record)?;
        if left.on_it.contains(&true) {
            return Ok(Some(left));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{World, name, version};
    use crate::rollout::HostOutcome::{Changed, RollbackFailed, RolledBack, Unchanged, Untouched};

    #[test]
    fn a_rollout_is_named_by_the_start_of_its_name_that_only_one_has() {
        let world = World::new();
        let ids: Vec<OperationId> =
            (1..=2).map(|number| world.ended_so(&version(number), [Changed, Changed])).collect();
        let of = |wanted: &str| named(&world.journal, wanted).map(|record| record.id);
        assert_eq!(of("last").unwrap(), ids[1]);
        for id in &ids {
            assert_eq!(of(id.as_str()).unwrap(), *id);
            assert_eq!(of(&id.as_str().to_ascii_lowercase()).unwrap(), *id);
        }
        let Problem::Ambiguous { first, second, .. } = of("0").unwrap_err().problem else { panic!() };
        assert_eq!([second, first], ids[..]);
        for unknown in [&ids[0].as_str()[1..], "x", "Last"] {
            let missing = of(unknown).unwrap_err();
            assert!(
                matches!(missing.problem, Problem::NoRollout(ref wanted) if wanted == unknown),
                "{missing:?}"
            );
        }
    }

    #[test]
    fn the_last_rollout_is_that_of_this_certificate() {
        let world = World::new();
        assert_eq!(last(&world.journal, &name()).unwrap(), None);
        let first = world.ended_so(&version(1), [Changed, Changed]);
        let mut other = world.plan();
        other.certificate.name = "b.test".parse().unwrap();
        let second = world.ended_so_as(&other, &version(1), [Changed, Changed]);
        assert_eq!(last(&world.journal, &name()).unwrap().unwrap().id, first);
        assert_eq!(last(&world.journal, &other.certificate.name).unwrap().unwrap().id, second);
    }

    #[test]
    fn what_should_be_served_was_left_by_the_last_rollout_that_left_a_host_on_it_verified() {
        let world = World::new();
        let left =
            || last_verified(&world.journal, &name()).unwrap().map(|left| (left.record.version, left.on_it));
        assert_eq!(left(), None);
        world.ended_so(&version(1), [RolledBack, Untouched]);
        assert_eq!(left(), None);
        world.ended_so(&version(2), [Unchanged, RollbackFailed]);
        assert_eq!(left(), Some((version(2), vec![true, false])));
        world.ended_so(&version(3), [RollbackFailed, RolledBack]);
        assert_eq!(left(), Some((version(2), vec![true, false])));
        world.ended_so(&version(4), [Untouched, Changed]);
        assert_eq!(left(), Some((version(4), vec![false, true])));
        let mut other = world.plan();
        other.certificate.name = "b.test".parse().unwrap();
        world.ended_so_as(&other, &version(5), [Changed, Changed]);
        assert_eq!(left(), Some((version(4), vec![false, true])));
    }
}
