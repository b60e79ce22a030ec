//! What a host is like, found out in the same way for a plan and for the rollout itself.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::certificate::{Leaf, parse_pem};
use crate::engine::handshake::prove::{Shown, observe, places};
use crate::engine::host::previous::{WayBack, read_leaf};
use crate::engine::host::session::Session;
use crate::engine::target::{StoredVersions, Target};
use crate::install::{Facts, NamedFile, Reads};
use crate::model::{Fingerprint, ServiceName};
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Clock, Connection, Prober};
use crate::preview::{SeenDown, SeenFile, SeenHost, SeenReads, SeenServed, covers};
use crate::rollout::{StepFailure, Undone};
use crate::service::ServiceWay;
use crate::verify::{Observation, judge};

/// A host that is looked at, and what has to be known for that.
pub(crate) struct HostReader<'a, C: Connection, P, K> {
    pub(crate) plan: &'a HostPlan,
    pub(crate) session: &'a Session<C>,
    pub(crate) prober: &'a P,
    pub(crate) clock: &'a K,
    /// What is rolled out; none where it is not issued yet.
    pub(crate) target: Option<&'a Target>,
    /// What the store knows.
    pub(crate) stored: &'a StoredVersions,
    /// The target is taken back: only something older will do.
    pub(crate) undo: bool,
}

/// A host that was looked at.
pub(crate) struct HostFacts {
    pub(crate) seen: SeenHost,
    /// Leaves that its servers may well serve before a rollout: the others are somebody else's.
    known: Known,
}

/// What servers may well serve before a rollout.
struct Known {
    leaves: BTreeSet<Fingerprint>,
    /// Services that do not tell what they read, where nothing of the certificate is on the disk yet: of these, nothing is
    /// known.
    silent: BTreeSet<ServiceName>,
}

impl HostFacts {
    /// Takes in what endpoints showed since.
    pub(crate) fn add(&mut self, shown: Vec<Shown>) {
        self.seen.served.extend(shown.into_iter().map(|one| served(one, &self.known)));
    }
}

impl<C: Connection, P: Prober, K: Clock> HostReader<'_, C, P, K> {
    /// One handshake with every endpoint.
    pub(crate) async fn handshakes(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        for service in &self.plan.services {
            for endpoint in places(self.prober, &service.endpoints).await {
                let observed = observe(self.prober, Some(&self.session.connection), &endpoint).await;
                shown.push((service.name.clone(), endpoint, observed));
            }
        }
        shown
    }

    /// What the host is like, by its own account and by handshakes. `asked` is when it was asked.
    ///
    /// # Errors
    /// Where its archive could not be read.
    pub(crate) async fn read(
        &self,
        facts: Facts,
        shown: Vec<Shown>,
        problems: Vec<String>,
        asked: Timestamp,
    ) -> Result<HostFacts, StepFailure> {
        let clock_ahead = facts.clock.map_or(0, |there| ahead(there, (asked, self.clock.now())));
        let target = self.target.map(|target| target.set.version());
        let way_back = WayBack {
            plan: self.plan,
            session: self.session,
            facts: &facts,
            target,
            undo: self.undo,
            revoked: &self.stored.revoked,
        };
        let previous = way_back.find().await?;
        let live = facts.live_version().cloned();
        let unconfirmed = facts.is_unconfirmed();
        let misowned = facts.is_misowned(&self.plan.install) || !facts.is_copied();
        let on_disk: Vec<Leaf> =
            facts.active.iter().filter_map(|pem| read_leaf(pem)).map(|leaf| (&leaf).into()).collect();
        let stands =
            facts.stands.iter().filter_map(|pem| read_leaf(pem)).map(|leaf| (&leaf).into()).collect();
        let open_keys = facts.key_files.iter().filter(|file| file.is_open()).map(|file| file.path.clone());
        let open_keys = open_keys.chain(facts.open_copies).collect();
        let down = facts.down.iter().filter_map(|at| {
            let (service, state) = (self.plan.services.get(*at)?, facts.services.get(*at)?);
            Some(SeenDown { service: service.name.clone(), reason: state.clone().err()? })
        });
        let down = down.collect();
        let names = self.plan.services.iter().map(|service| &service.name);
        let reads: Vec<SeenReads> =
            names.zip(facts.reads).map(|(name, reads)| seen_reads(name.clone(), reads)).collect();
        let all_new = !shown.is_empty() && shown.iter().all(|one| self.is_new(one));
        let before = previous.iter().flat_map(|previous| previous.leaves.iter().copied()).collect();
        let known = self.known(&[on_disk.clone(), stands].concat(), before, &reads);
        let seen = SeenHost {
            clock_ahead,
            keeper: facts.keeper,
            boots: facts.boots,
            input_log: facts.sudo_logs.input,
            proven: live.is_some() && live.as_ref() == target && all_new && !misowned,
            // What is staged again is brought in line.
            staged: target.is_some_and(|target| facts.complete.contains(target)) && !misowned,
            unconfirmed,
            guard: facts.armed.as_ref().filter(|_| unconfirmed).map(|armed| armed.guard),
            armed: unconfirmed && live.as_ref() == target,
            already: !unconfirmed && live.is_some() && live.as_ref() == target,
            undone: facts.fired.map(|fired| Undone {
                at: fired.at,
                target: fired.target,
                previous: fired.previous,
                problem: fired.problem,
            }),
            served: shown.into_iter().map(|one| served(one, &known)).collect(),
            on_disk,
            previous,
            ways: self.ways(),
            open_keys,
            problems,
            down,
            reads,
            links: facts.links,
            copies: facts.copies,
            live,
        };
        Ok(HostFacts { seen, known })
    }

    /// How each service would take what is rolled out.
    fn ways(&self) -> Vec<ServiceWay> {
        let set = self.target.map(|target| &target.set);
        let way = |service: &PlannedService| ServiceWay {
            service: service.name.clone(),
            way: service.spec.way(set),
        };
        self.plan.services.iter().map(way).collect()
    }

    /// Leaves that a server may well serve before a rollout: the others are somebody else's.
    fn known(&self, on_disk: &[Leaf], before: BTreeSet<Fingerprint>, reads: &[SeenReads]) -> Known {
        let services = &self.plan.services;
        let is_for_us = |leaf: &Leaf| {
            let mut endpoints = services.iter().flat_map(|service| &service.endpoints);
            endpoints.any(|endpoint| covers(leaf, &endpoint.server_name))
        };
        let fingerprint = |leaf: &Leaf| leaf.fingerprint_sha256;
        let here: BTreeSet<Fingerprint> = on_disk.iter().map(fingerprint).collect();
        // Files that servers read and the rollout does not switch. Who serves one for a name of the certificate would go on
        // to do so.
        let kept = reads.iter().flat_map(|reads| &reads.files).filter_map(|file| file.leaf.as_ref());
        let (ours, others): (Vec<&Leaf>, Vec<&Leaf>) = kept.partition(|leaf| is_for_us(leaf));
        let stay: BTreeSet<Fingerprint> = ours.into_iter().map(fingerprint).collect();
        let target = self.target.iter().flat_map(|target| target.set.leaves());
        let mut leaves: BTreeSet<Fingerprint> =
            self.stored.own.iter().copied().chain(before).chain(target).collect();
        leaves.extend(others.into_iter().map(fingerprint));
        leaves.retain(|leaf| !stay.contains(leaf));
        leaves.extend(here);
        let tells =
            |name: &ServiceName| reads.iter().any(|reads| reads.service == *name && !reads.files.is_empty());
        let names = services.iter().map(|service| &service.name);
        let silent = names.filter(|name| on_disk.is_empty() && !tells(name)).cloned().collect();
        Known { leaves, silent }
    }

    /// Whether an endpoint shows what is rolled out, without a finding.
    fn is_new(&self, (_, endpoint, observed): &Shown) -> bool {
        let Some(target) = self.target else { return false };
        judge(&target.expected(endpoint, None), observed, self.clock.now()).is_good()
    }
}

fn served((service, endpoint, observed): Shown, known: &Known) -> SeenServed {
    let (leaf, reason) = match observed {
        Observation::Served(served) => (Leaf::of_served(&served.chain), None),
        Observation::NotTls(reason) | Observation::Unreachable(reason) => (None, Some(reason)),
    };
    let ours = known.silent.contains(&service)
        || leaf.as_ref().is_none_or(|leaf| known.leaves.contains(&leaf.fingerprint_sha256));
    SeenServed { service, endpoint, leaf, ours, reason }
}

/// How far a clock is ahead of the time in which it was read.
fn ahead(clock: Timestamp, (asked, answered): (Timestamp, Timestamp)) -> i64 {
    let clock = clock.as_second();
    // It tells whole seconds.
    if clock < asked.as_second() {
        clock - asked.as_second()
    } else if clock > answered.as_second() {
        clock - answered.as_second()
    } else {
        0
    }
}

fn seen_reads(service: ServiceName, reads: Reads) -> SeenReads {
    let file = |file: NamedFile| SeenFile {
        leaf: file.pem.and_then(|pem| Leaf::of_chain(&parse_pem(pem.as_bytes()).ok()?)),
        path: file.path,
        is_key: file.is_key,
        ours: file.ours,
    };
    let files = reads.files.into_iter().map(file).collect();
    let Reads { broken, variable, settings, beside, .. } = reads;
    SeenReads { service, broken, files, variable, settings, beside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_right_where_it_shows_a_time_between_question_and_answer() {
        let at = |millis: i64| Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap();
        for (clock, asked, answered, expected) in [
            (0, 0, 0, 0),
            // It tells whole seconds: 10.9 is shown as 10.
            (10_000, 10_900, 11_100, 0),
            (11_000, 10_900, 11_100, 0),
            (15_000, 10_000, 20_000, 0),
            (20_000, 10_000, 20_000, 0),
            (21_000, 10_000, 20_000, 1),
            (9_000, 10_000, 20_000, -1),
            (17_000, 10_000, 10_100, 7),
            (-3_600_000, 0, 900, -3_600),
        ] {
            assert_eq!(ahead(at(clock), (at(asked), at(answered))), expected, "{clock}");
        }
    }
}
