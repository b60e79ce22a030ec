//! Operations without a terminal, a host or a CA: a store in a temporary folder, and a person who answers as told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::certificate::testing::{Authority, LeafSpec, now, pem};
use crate::certificate::{KeyType, parse_pem};
use crate::clock::SteadyClock;
use crate::install::{InstallSpec, Layout};
use crate::inventory::Login;
use crate::ledger::{Fact, Issuance, RevocationFact};
use crate::model::{CertificateName, HostName, OperationId, RevocationReason, Version};
use crate::operations::{Context, News, Progress};
use crate::plan::{
    CertificateRequest, Direction, HostPlan, Plan, PlannedFiles, PlannedIssuer, PlannedService, Schedule,
    WaveSchedule,
};
use crate::playbook::{OnFailure, Renew};
use crate::ports::{
    Certificates, Confirm, Journal as _, Leases, Observer, Question, StoredCertificate, StoredPair,
    Unanswered,
};
use crate::rollout::{
    Activated, Baseline, Committed, Disproven, Inspected, Measured, Proven, StepEnded, StepFailure, Verified,
};
use crate::rollout::{Event, HostOutcome, Origin, Previous, RolloutKind, RolloutOutcome, RolloutRecord};
use crate::service::{Command, ServiceSpec};
use crate::ssh::SshConnector;
use crate::store::{CertificateStore, Journal, SealedFolder, SqliteLeases, Store};
use crate::verify::{Endpoint, EndpointState, Via};

pub(super) const HOSTS: [&str; 2] = ["web01", "web02"];
/// Each host is a wave.
const WAVES: [&str; 2] = ["canary", "production"];

/// What certwave remembers, and a person.
pub(super) struct World {
    folder: tempfile::TempDir,
    pub(super) journal: Journal,
    pub(super) leases: SqliteLeases,
    pub(super) certificates: CertificateStore,
    accounts: SealedFolder,
    orders: SealedFolder,
    authority: Authority,
    person: Person,
    now: Timestamp,
}

/// Hears everything, and answers as told.
#[derive(Default)]
struct Person {
    heard: Mutex<Vec<News>>,
    asked: Mutex<Vec<Question>>,
    says_yes: bool,
    is_a_rule: bool,
}

impl Progress for Person {
    fn say(&self, news: &News) {
        self.heard.lock().unwrap().push(news.clone());
    }

    fn observer(&self, _: &OperationId, _: &Plan) -> Box<dyn Observer> {
        Box::new(crate::report::Quiet)
    }
}

impl Confirm for Person {
    fn is_automatic(&self) -> bool {
        self.is_a_rule
    }

    fn confirm<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<bool, Unanswered>> {
        self.asked.lock().unwrap().push(question.clone());
        Box::pin(async { Ok(self.says_yes) })
    }
}

pub(super) fn name() -> CertificateName {
    "a.test".parse().unwrap()
}

pub(super) fn version(number: u8) -> Version {
    format!("202701{number:02}T000000Z-0000000{number}").parse().unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let journal = store.journal().unwrap();
        Self {
            leases: store.leases(&journal),
            journal,
            certificates: store.certificates(),
            accounts: store.accounts(),
            orders: store.orders(),
            authority: Authority::new("Root"),
            person: Person::default(),
            now: now(),
            folder,
        }
    }

    pub(super) fn says_yes(mut self) -> Self {
        self.person.says_yes = true;
        self
    }

    /// A rule answers, and no person.
    pub(super) fn by_rule(mut self) -> Self {
        self.person.is_a_rule = true;
        self.says_yes()
    }

    pub(super) fn revoke(&self, version: &Version) {
        let (version, reason) = (version.clone(), RevocationReason::Superseded);
        self.note(RevocationFact::Noted { certificate: name(), version, reason });
    }

    /// A record as the journal has it.
    pub(super) fn record(&self, id: &OperationId) -> RolloutRecord {
        let rollouts = self.journal.rollouts().unwrap();
        rollouts.into_iter().find(|record| record.id == *id).unwrap()
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            journal: Arc::new(self.journal.clone()),
            leases: &self.leases,
            certificates: &self.certificates,
            accounts: &self.accounts,
            orders: &self.orders,
            clock: SteadyClock::starting_at(self.now),
            connector: Arc::new(SshConnector::default()),
            progress: &self.person,
            confirm: &self.person,
            cancel: watch::channel(false).1,
            by: "ann@here".to_owned(),
            process: "process 1 on here".to_owned(),
        }
    }

    pub(super) fn heard(&self) -> Vec<News> {
        self.person.heard.lock().unwrap().clone()
    }

    pub(super) fn asked(&self) -> Vec<Question> {
        self.person.asked.lock().unwrap().clone()
    }

    /// A plan for two hosts, each a wave. Its files are not there.
    pub(super) fn plan(&self) -> Plan {
        let host = |host: &str| HostPlan {
            login: Login {
                host: host.parse().unwrap(),
                address: "127.0.0.1".to_owned(),
                port: 1,
                user: None,
                key_file: None,
                known_hosts: Vec::new(),
                become_user: None,
            },
            install: InstallSpec {
                layout: Layout::new("/etc/certwave".parse().unwrap(), name()),
                keep: 3,
                owner: None,
                group: None,
                key_mode: None,
                boot_unit: true,
                links: Vec::new(),
                copies: Vec::new(),
            },
            services: vec![PlannedService {
                name: "command".parse().unwrap(),
                spec: ServiceSpec::Command(Command { test: None, reload: "true".to_owned() }),
                endpoints: vec![Endpoint {
                    address: "127.0.0.1".to_owned(),
                    port: 1,
                    server_name: "a.test".parse().unwrap(),
                    via: Via::Direct,
                    key: None,
                    starttls: None,
                    client: None,
                }],
                other_names: Vec::new(),
            }],
            timeout: std::time::Duration::from_secs(30),
            dead_man: None,
            answers: 3,
            at_most_failed: Some(0),
            accepted: false,
        };
        let wave = |at: usize| WaveSchedule {
            name: WAVES[at].parse().unwrap(),
            batches: vec![(at..at + 1).into()],
            parallel: 1,
            max_failures: 0,
            soak: std::time::Duration::ZERO,
            approval: at == 1,
            progress_deadline: None,
            deadline: None,
        };
        let hosts: Vec<HostName> = HOSTS.map(|host| host.parse().unwrap()).into();
        let file = |name: &str| -> PathBuf { self.folder.path().join(name) };
        Plan {
            certificate: CertificateRequest {
                name: name(),
                domains: vec!["a.test".parse().unwrap()],
                keys: vec![KeyType::EcdsaP256],
                renew: Renew::Auto,
            },
            issuers: vec![PlannedIssuer::Files(PlannedFiles {
                certificate: file("a.crt"),
                key: file("a.key"),
            })],
            schedule: Schedule {
                hosts: hosts.into(),
                waves: vec![wave(0), wave(1)],
                on_failure: OnFailure::Rollback,
                direction: Direction::Forward,
                windows: None,
                deadline: None,
                dead_man: None,
                unsoaked: Default::default(),
            },
            hosts: HOSTS.map(host).to_vec().into(),
            ca_files: Vec::new(),
        }
    }

    /// Keeps a version that is valid for so many days, from ten days ago.
    pub(super) fn keep(&self, version: &Version, days: i64) {
        let leaf = LeafSpec { from_days: -10, to_days: days, ..LeafSpec::default() };
        let (certificate, key) = self.authority.issue(&leaf);
        let fullchain = pem(&[&certificate, &self.authority.certificate]);
        let pairs = vec![StoredPair { fullchain, key }];
        self.certificates.put(&name(), &StoredCertificate { version: version.clone(), pairs }).unwrap();
        let issued = Issuance::Issued {
            certificate: name(),
            version: version.clone(),
            issuer: Some("ca".to_owned()),
            directory: None,
            names: certificate.names.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            fingerprints_sha256: vec![certificate.fingerprint],
        };
        self.note(issued);
    }

    /// Writes the files of the plan's issuer: a certificate for these names that is valid for so many days.
    pub(super) fn write_files(&self, names: &[&str], days: i64) {
        let (certificate, key) =
            self.authority.issue(&LeafSpec { names, to_days: days, ..LeafSpec::default() });
        let fullchain = pem(&[&certificate, &self.authority.certificate]);
        for (file, bytes) in [("a.crt", fullchain.as_slice()), ("a.key", key.expose())] {
            std::fs::write(self.folder.path().join(file), bytes).unwrap();
        }
    }

    /// Gives the certificate in those files another chain of the same length: the authority signed itself once more.
    pub(super) fn rechain_files(&self) {
        let file = self.folder.path().join("a.crt");
        let chain = parse_pem(&std::fs::read(&file).unwrap()).unwrap();
        std::fs::write(file, pem(&[&chain[0], &self.authority.renamed("Root").certificate])).unwrap();
    }

    /// A file of what certwave remembers.
    pub(super) fn remembered(&self, file: &str) -> PathBuf {
        self.folder.path().join("state").join(file)
    }

    /// Every fact that is no rollout's.
    pub(super) fn noted(&self) -> Vec<Fact> {
        self.journal.beside_rollouts().map(|entry| entry.unwrap().fact).collect()
    }

    /// Writes a fact of an operation of its own.
    pub(super) fn note(&self, fact: impl Into<Fact>) {
        let lease = self.leases.take(&name(), "a test").unwrap();
        let id = OperationId::new(1, [9; 10]);
        self.journal.append(lease.as_ref(), &id, &[(self.now, fact.into())]).unwrap();
    }

    /// A rollout of a version that changed its first hosts, and ended so; none: it did not end.
    pub(super) fn rolled_out(
        &self,
        version: &Version,
        changed: usize,
        outcome: Option<RolloutOutcome>,
    ) -> OperationId {
        self.rolled_out_as(&self.plan(), version, changed, outcome)
    }

    /// The same by another plan.
    pub(super) fn rolled_out_as(
        &self,
        plan: &Plan,
        version: &Version,
        changed: usize,
        outcome: Option<RolloutOutcome>,
    ) -> OperationId {
        let waved = |(host, wave): (&str, &str)| {
            let mut events = self.ends(host, wave, HostOutcome::Changed);
            events.push(Event::WavePassed { wave: wave.parse().unwrap() });
            events
        };
        let mut events: Vec<Event> = HOSTS.into_iter().zip(WAVES).take(changed).flat_map(waved).collect();
        events.extend(outcome.map(Event::finished));
        self.written(plan, version, events)
    }

    /// A rollout of a version that ended so on each host.
    pub(super) fn ended_so(&self, version: &Version, ends: [HostOutcome; 2]) -> OperationId {
        self.ended_so_as(&self.plan(), version, ends)
    }

    /// The same by another plan.
    pub(super) fn ended_so_as(&self, plan: &Plan, version: &Version, ends: [HostOutcome; 2]) -> OperationId {
        let hosts = HOSTS.into_iter().zip(WAVES).zip(ends);
        let mut events: Vec<Event> =
            hosts.flat_map(|((host, wave), outcome)| self.ends(host, wave, outcome)).collect();
        events.push(Event::finished(RolloutOutcome::NeedsAttention));
        self.written(plan, version, events)
    }

    /// A rollout with these events.
    pub(super) fn written(&self, plan: &Plan, version: &Version, events: Vec<Event>) -> OperationId {
        let certificate = plan.certificate.name.clone();
        let lease = self.leases.take(&certificate, "a test").unwrap();
        let id = OperationId::new(2 + self.journal.rollouts().unwrap().len() as u64, [7; 10]);
        let origin = Origin { kind: RolloutKind::Rollout, by: "ann@here".to_owned(), hosts: HOSTS.len() };
        let record = RolloutRecord {
            id: id.clone(),
            certificate,
            version: version.clone(),
            playbook: "a.yaml".to_owned(),
            started: self.now,
            outcome: None,
            origin: Some(origin),
        };
        let plan = serde_json::to_string(plan).unwrap();
        self.journal.begin(lease.as_ref(), &record, &plan).unwrap();
        let facts: Vec<(Timestamp, Fact)> =
            events.into_iter().map(|event| (self.now, event.into())).collect();
        if !facts.is_empty() {
            self.journal.append(lease.as_ref(), &id, &facts).unwrap();
        }
        id
    }

    /// The events of a host's wave, in which it ends so.
    pub(super) fn ends(&self, host: &str, wave: &str, outcome: HostOutcome) -> Vec<Event> {
        let host: HostName = host.parse().unwrap();
        let stepped = |ended: StepEnded| {
            let started = Event::StepStarted { host: host.clone(), step: ended.step() };
            [started, Event::StepFinished { host: host.clone(), ended }]
        };
        let begun = Event::WaveStarted { wave: wave.parse().unwrap(), hosts: 1 };
        std::iter::once(begun).chain(steps(outcome, self.now).into_iter().flat_map(stepped)).collect()
    }
}

/// The steps of a host that ends so. What it had before is version 0.
fn steps(outcome: HostOutcome, now: Timestamp) -> Vec<StepEnded> {
    let previous = Previous {
        version: version(0),
        leaves: Vec::new(),
        not_after: now + SignedDuration::from_hours(24),
        revoked: false,
    };
    let inspected = |proven| {
        let previous = Some(previous.clone());
        let risks = Vec::new();
        StepEnded::Inspect(Ok(Inspected {
            proven,
            staged: true,
            previous,
            armed: false,
            already: false,
            undone: None,
            risks,
            baseline: Baseline::default(),
        }))
    };
    let failed = || StepFailure::Failed { reason: "it failed".to_owned() };
    let away = || StepFailure::Unreachable { reason: "it is away".to_owned() };
    let switched = StepEnded::Activate(Ok(Activated::Reloaded(Default::default())));
    let disproven = || {
        let (state, reason) = (EndpointState::Previous, "the previous certificate is served".to_owned());
        let disproven = Disproven { state, reason, measured: Measured::default(), foreign: Vec::new() };
        StepEnded::Verify(Ok(Verified::Disproven(disproven)))
    };
    let proven = || StepEnded::Verify(Ok(Verified::Proven(Proven::default())));
    match outcome {
        HostOutcome::Changed => {
            vec![inspected(false), switched, proven(), StepEnded::Commit(Ok(Committed::Final(Vec::new())))]
        }
        HostOutcome::Unchanged => vec![inspected(true)],
        HostOutcome::RolledBack => {
            vec![inspected(false), switched, disproven(), StepEnded::Rollback(Ok(Measured::default()))]
        }
        HostOutcome::RollbackFailed => {
            vec![inspected(false), switched, disproven(), StepEnded::Rollback(Err(failed()))]
        }
        HostOutcome::Failed => vec![StepEnded::Inspect(Err(failed()))],
        HostOutcome::Unreachable => vec![StepEnded::Inspect(Err(away()))],
        HostOutcome::Untouched => Vec::new(),
    }
}
