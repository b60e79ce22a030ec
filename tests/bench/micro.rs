//! The parts that every host of a rollout goes through, alone: nanoseconds that the other benches cannot see.
//! `cargo bench --bench micro`, or `-- plan` for those with that in their name.

#![allow(clippy::unwrap_used, missing_docs)] // A bench says what it expects by failing; Criterion's macros say nothing.

#[path = "common/machine.rs"]
mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Duration;

use certwave::certificate::{ChainSet, parse_pem};
use certwave::install::{InstallSpec, Layout, Live, OnDisk, RemoteShells, ScriptService};
use certwave::inventory::{FileKind, Inventory, InventoryFile};
use certwave::lab::Authority;
use certwave::model::{OperationId, Version};
use certwave::plan::{HostPlan, Plan, resolve};
use certwave::ports::{Journal as _, Leases};
use certwave::report::view::{StatusReport, View};
use certwave::rollout::{Event, RolloutOutcome, RolloutRecord, StepEnded, Verified};
use certwave::service::{Holds, Nginx, ServiceSpec};
use certwave::status::{ExpectedVersion, HostReading, Inside, compare};
use certwave::store::Store;
use certwave::verify::{Endpoint, Expectation, Observation, Served, judge};
use certwave::yaml::{Problems, Sources, parse};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;

criterion_group! {
    name = benches;
    // Long enough to see twice the time, and short enough to be run often.
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = state_machine, planning, comparing, journal, scripts, judging
}
criterion_main!(benches);

/// `next` and `evolve` from the first event to the last. Per host it should cost ten thousand what it costs a thousand.
fn state_machine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rollout");
    let ways = [
        ("all well", false, RolloutOutcome::Succeeded),
        ("one fails, all go back", true, RolloutOutcome::RolledBack),
    ];
    for (name, fails, outcome) in ways {
        for hosts in [1_000, 10_000] {
            let schedule = machine::schedule(hosts);
            group.throughput(Throughput::Elements(hosts as u64));
            group.bench_function(BenchmarkId::new(name, hosts), |bencher| {
                bencher.iter(|| assert_eq!(machine::drive(&schedule, fails), outcome));
            });
        }
    }
}

/// From the text of an inventory and a playbook to a plan.
fn planning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    for hosts in [1_000, 10_000] {
        let inventory = inventory(hosts);
        group.throughput(Throughput::Elements(hosts));
        group.bench_function(BenchmarkId::new("inventory and playbook", hosts), |bencher| {
            bencher.iter(|| assert_eq!(plan(&inventory).hosts.len() as u64, hosts));
        });
    }
}

fn inventory(hosts: u64) -> String {
    let mut inventory = "web:\n  vars: {ansible_user: deploy}\n  hosts:\n".to_owned();
    for host in 0..hosts {
        inventory += &format!("    web{host:05}: {{ansible_host: 10.0.{}.{}}}\n", host / 250, host % 250);
    }
    inventory
}

/// What `status` does with what it saw of all hosts, up to what it prints: all of it but the looking.
fn comparing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("status");
    let authority = Authority::new("the bench's root").unwrap();
    let (pem, _) = authority.issue(&["api.example.com"], -1, 90).unwrap();
    let chain = [pem.clone(), authority.root_pem().unwrap()].concat();
    let version = Version::found(Timestamp::now(), &parse_pem(&pem).unwrap()[0].fingerprint);
    let set = ChainSet::read(version.clone(), &chain, None).unwrap();
    let served = served(&chain);
    let wanted = ExpectedVersion { set, known: BTreeSet::new(), own: BTreeMap::new() };
    for hosts in [1_000, 10_000] {
        let plan = plan(&inventory(hosts));
        let view = |host: &HostPlan| {
            let disk = OnDisk {
                live: Live::Version(version.clone()),
                damaged: false,
                armed: None,
                fired: None,
                links: Vec::new(),
                copies: Vec::new(),
                active: vec![String::from_utf8(pem.clone()).unwrap()],
                old: Vec::new(),
                reads: Vec::new(),
            };
            let see = |endpoint: &Endpoint| (endpoint.clone(), served.clone());
            let observed = host.services.iter().map(|service| service.endpoints.iter().map(see).collect());
            let memory = host.services.iter().map(|_| Ok(Holds::default())).collect();
            HostReading { inside: Ok(Inside { disk: Ok(disk), memory }), observed: observed.collect() }
        };
        let views: Vec<HostReading> = plan.hosts.iter().map(view).collect();
        group.throughput(Throughput::Elements(hosts));
        group.bench_function(BenchmarkId::new("compare and tell", hosts), |bencher| {
            bencher.iter(|| {
                let now = Timestamp::now();
                let rows = plan.hosts.iter().zip(&views);
                let rows: Vec<_> = rows.flat_map(|(host, view)| compare(host, view, &wanted, now)).collect();
                let report =
                    StatusReport { certificate: &plan.certificate.name, version: &version, rows: &rows };
                assert!(report.is_as_it_should_be(), "{}", report.text(true));
                black_box(report.text(true))
            });
        });
    }
}

fn plan(inventory: &str) -> Plan {
    let playbook = "certificate: {domains: [api.example.com]}\n\
         issuers: [{files: {certificate: api.pem, key: api.key}}]\nservices: [{hosts: web, nginx: {}}]\n\
         waves: [{name: canary, hosts: \"web[0:9]\", soak: 5m}, {name: rest, hosts: web, batch: 10%}]\n";
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let source = sources.add("inventory.yaml", inventory);
    let file = InventoryFile { source, kind: FileKind::Inventory };
    let inventory = Inventory::parse(&sources, &[file], &mut problems).unwrap();
    let source = sources.add("playbook.yaml", playbook);
    let node = parse(&sources, source, &mut problems).unwrap();
    let playbook = certwave::playbook::parse(&node, &mut problems).unwrap();
    let resolved = resolve(&playbook, &inventory, None, &mut problems);
    resolved.unwrap_or_else(|| panic!("{:?}", problems.sorted())).plan
}

/// What is written together is one transaction, flushed to the disk: a write for each event would cost each of them that.
fn journal(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state")).unwrap();
    let journal = store.journal().unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let record = RolloutRecord {
        id: OperationId::new(1, [0; 10]),
        certificate: "api.example.com".parse().unwrap(),
        version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
        playbook: String::new(),
        started: now,
        outcome: None,
        origin: None,
    };
    let lease = store.leases(&journal).take(&record.certificate, "bench").unwrap();
    journal.begin(lease.as_ref(), &record, "{}").unwrap();
    let mut group = criterion.benchmark_group("journal");
    for size in [1, 64] {
        let event = |host: usize| Event::StepFinished {
            host: format!("web{host:05}").parse().unwrap(),
            ended: StepEnded::Verify(Ok(Verified::Proven(Default::default()))),
        };
        let events: Vec<_> = (0..size).map(|host| (now, event(host).into())).collect();
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("append", size), |bencher| {
            bencher.iter(|| journal.append(lease.as_ref(), &record.id, &events).unwrap());
        });
    }
}

/// The two longest scripts, up to the command line that is sent.
fn scripts(criterion: &mut Criterion) {
    let nginx = ServiceSpec::Nginx(Nginx {
        binary: Nginx::DEFAULT_BINARY.parse().unwrap(),
        prefix: None,
        config: None,
        test: None,
        reload: None,
    });
    let services = [ScriptService {
        name: "nginx".parse().unwrap(),
        settings: nginx.settings(30),
        script: nginx.script(),
        ports: vec![443],
    }];
    let install = InstallSpec {
        layout: Layout::new("/etc/certwave".parse().unwrap(), "api.example.com".parse().unwrap()),
        keep: 3,
        owner: None,
        group: None,
        key_mode: None,
        boot_unit: true,
        links: Vec::new(),
        copies: Vec::new(),
    };
    criterion.bench_function("script", |bencher| {
        let shells = RemoteShells::new("rollout 1 by process 1 on here", [nginx.script()]);
        bencher.iter(|| shells.attend(black_box(&install), &services, None));
    });
}

/// The verdict over one handshake of many: what OpenSSL does before is not in it.
fn judging(criterion: &mut Criterion) {
    let authority = Authority::new("the bench's root").unwrap();
    let (pem, _) = authority.issue(&["api.example.com"], -1, 90).unwrap();
    let chain = [pem, authority.root_pem().unwrap()].concat();
    let expected = Expectation {
        stays: false,
        chain: parse_pem(&chain).unwrap().iter().map(|one| one.fingerprint).collect(),
        server_name: "api.example.com".parse().unwrap(),
        previous: Vec::new(),
        known: BTreeSet::new(),
    };
    let observed = served(&chain);
    let now = Timestamp::now();
    assert!(judge(&expected, &observed, now).is_good());
    criterion.bench_function("judge", |bencher| {
        bencher.iter(|| judge(black_box(&expected), black_box(&observed), now));
    });
}

fn served(chain: &[u8]) -> Observation {
    Observation::Served(Served {
        chain: parse_pem(chain).unwrap().into_iter().map(|one| one.der).collect(),
        trust: Ok(()),
        protocol: "TLSv1.3".to_owned(),
        staple: None,
        took: Duration::ZERO,
    })
}
