//! What a host is like, found out in the same way for a plan and for the rollout itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::certificate::{Leaf, parse_pem};
use crate::engine::handshake::look::explained;
use crate::engine::handshake::names::{ask_host, row};
use crate::engine::handshake::prove::Shown;
use crate::engine::host::previous::{WayBack, read_leaf};
use crate::engine::host::session::Session;
use crate::engine::target::{StoredVersions, Target};
use crate::install::{Facts, LinkState, NamedFile, Reads};
use crate::model::{Fingerprint, ServiceName};
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Clock, Connection, Prober};
use crate::preview::{SeenDown, SeenFile, SeenHost, SeenReads, SeenServed, covers, mark_elsewhere};
use crate::rollout::{StepFailure, Undone};
use crate::service::ServiceWay;
use crate::verify::{Switched, judge};

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
    /// For each other service, leaves of this certificate, and those at paths that are switched and that it reads.
    switched: BTreeMap<ServiceName, BTreeSet<Fingerprint>>,
}

impl HostFacts {
    /// Takes in what endpoints showed since.
    pub(crate) fn add(&mut self, plan: &HostPlan, shown: Vec<Shown>) {
        self.seen.served.extend(shown.into_iter().map(|one| served(one, &self.known)));
        self.mark(plan);
    }

    /// Tells the names apart that the host answers with what is switched.
    fn mark(&mut self, plan: &HostPlan) {
        let by = |service: &ServiceName| match self.known.switched.get(service) {
            Some(leaves) => Switched::Leaves(leaves),
            None => Switched::AsTheFirst,
        };
        mark_elsewhere(plan, &mut self.seen.served, by);
    }
}

impl<C: Connection, P: Prober, K: Clock> HostReader<'_, C, P, K> {
    /// One handshake with every endpoint, for every name, and what its listener wants where that fails. Where the host is going
    /// to be `switched`, also whether the listener takes as many as that makes.
    pub(crate) async fn handshakes(&self, switched: bool) -> Vec<Shown> {
        let world = (self.prober, Some(&self.session.connection));
        explained(world, ask_host(self.prober, Some(&self.session.connection), self.plan).await, switched)
            .await
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
        let is_live = live.is_some() && live.as_ref() == target;
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
        let before = previous.iter().flat_map(|previous| previous.leaves.iter().copied()).collect();
        let known = self.known(&[on_disk.clone(), stands].concat(), before, (&reads, &facts.links));
        let new: Vec<bool> = shown.iter().map(|one| self.is_new(one)).collect();
        let seen = SeenHost {
            clock_ahead,
            keeper: facts.keeper,
            boots: facts.boots,
            input_log: facts.sudo_logs.input,
            proven: false,
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
        let mut host = HostFacts { seen, known };
        host.mark(self.plan);
        let served = &host.seen.served;
        let all_new = !served.is_empty() && served.iter().zip(new).all(|(one, new)| new || one.elsewhere);
        host.seen.proven = is_live && all_new && !misowned;
        Ok(host)
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
    fn known(
        &self,
        on_disk: &[Leaf],
        before: BTreeSet<Fingerprint>,
        (reads, links): (&[SeenReads], &[LinkState]),
    ) -> Known {
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
        let has_a_name =
            |leaf: &&Leaf| services.iter().flat_map(PlannedService::names).any(|name| covers(leaf, name));
        let read_elsewhere: BTreeSet<Fingerprint> =
            kept.clone().filter(has_a_name).map(fingerprint).collect();
        let (ours, others): (Vec<&Leaf>, Vec<&Leaf>) = kept.partition(|leaf| is_for_us(leaf));
        let stay: BTreeSet<Fingerprint> = ours.into_iter().map(fingerprint).collect();
        let target = self.target.iter().flat_map(|target| target.set.leaves());
        let mut leaves: BTreeSet<Fingerprint> =
            self.stored.own.iter().copied().chain(before).chain(target).collect();
        leaves.retain(|leaf| !stay.contains(leaf));
        // A server that tells what it reads, and none of our files among that, serves nothing that stands there.
        let links: Vec<_> =
            self.plan.install.links.iter().map(|(path, _)| path.to_string()).zip(links).collect();
        let is_missing = |path: &str| {
            let state = links.iter().find(|(link, _)| link == path).map(|(_, state)| *state);
            matches!(state, Some(LinkState::Missing | LinkState::NoFolder))
        };
        let reads_ours = |name: &ServiceName| {
            let told = reads
                .iter()
                .find(|reads| reads.service == *name && !reads.files.is_empty() && !reads.variable);
            told.is_none_or(|told| {
                told.files.iter().any(|file| file.ours && !file.is_key && !is_missing(&file.path))
            })
        };
        let switched_by = |name: &ServiceName| {
            let mut switched: BTreeSet<Fingerprint> = leaves.difference(&read_elsewhere).copied().collect();
            switched.extend(here.iter().filter(|_| reads_ours(name)));
            switched
        };
        let mut switched: BTreeMap<ServiceName, BTreeSet<Fingerprint>> =
            services.iter().map(|service| (service.name.clone(), switched_by(&service.name))).collect();
        leaves.extend(&here);
        let others = others.into_iter().map(fingerprint).filter(|leaf| !stay.contains(leaf));
        leaves.extend(others);
        let tells =
            |name: &ServiceName| reads.iter().any(|reads| reads.service == *name && !reads.files.is_empty());
        let names = services.iter().map(|service| &service.name);
        let silent: BTreeSet<ServiceName> =
            names.filter(|name| on_disk.is_empty() && !tells(name)).cloned().collect();
        switched.retain(|name, _| !silent.contains(name));
        Known { leaves, silent, switched }
    }

    /// Whether an endpoint shows what is rolled out, without a finding.
    fn is_new(&self, (_, endpoint, observed): &Shown) -> bool {
        let Some(target) = self.target else { return false };
        judge(&target.expected(endpoint, None), observed, self.clock.now()).is_good()
    }
}

fn served(shown: Shown, known: &Known) -> SeenServed {
    let row = row(shown, false);
    let is_known = |leaf: &Leaf| known.leaves.contains(&leaf.fingerprint_sha256);
    let ours = known.silent.contains(&row.service) || row.leaf.as_ref().is_none_or(is_known);
    SeenServed { ours, ..row }
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
