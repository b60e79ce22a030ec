//! A plan is what is then executed: the forecast against rollouts of the same fleet, in whatever order hosts answer.

use std::collections::HashMap;

use certwave::certificate::{KeyType, Leaf};
use certwave::gate::{HandshakeSample, Handshakes, Sample};
use certwave::install::{InstallSpec, Layout, SudoLog};
use certwave::inventory::Login;
use certwave::model::{Fingerprint, Serial, Version};
use certwave::plan::{CertificateRequest, HostIndex, HostPlan, PerHost, Plan};
use certwave::playbook::Renew;
use certwave::preview::{
    Bar, Change, Missed, Pace, Risk, Seen, SeenDown, SeenFile, SeenHost, SeenReads, SeenServed, changes,
    forecast, host_risks, inspected, refusal, rollout_risks, staged,
};
use certwave::rollout::{
    Action, Activated, Committed, Event, HostOutcome, Measured, Previous, Proven, RolloutOutcome, State,
    Step, StepEnded, StepFailure, Verified, next,
};
use certwave::verify::{Endpoint, Via};
use jiff::{SignedDuration, Timestamp};

use crate::world::{Random, TrueHost, World, schedule, start};

const FLEETS: u64 = 4_000;

fn plan(random: &mut Random) -> Plan {
    let mut schedule = schedule(random);
    schedule.deadline = None;
    for wave in &mut schedule.waves {
        (wave.deadline, wave.progress_deadline) = (None, None);
    }
    let host = |name: &certwave::model::HostName| HostPlan {
        login: Login {
            host: name.clone(),
            address: name.to_string(),
            port: 22,
            user: None,
            key_file: None,
            become_user: None,
            known_hosts: Vec::new(),
        },
        install: InstallSpec {
            layout: Layout::new("/etc/certwave".parse().unwrap(), "a.test".parse().unwrap()),
            keep: 3,
            owner: None,
            group: None,
            key_mode: None,
            boot_unit: true,
            links: Vec::new(),
            copies: Vec::new(),
        },
        services: Vec::new(),
        timeout: std::time::Duration::from_secs(30),
        dead_man: None,
        answers: 3,
        at_most_failed: Some(0),
        accepted: false,
    };
    let hosts = schedule.hosts.iter().map(host).collect();
    let (name, renew) = ("a.test".parse().unwrap(), Renew::Auto);
    let certificate = CertificateRequest { name, domains: Vec::new(), keys: Vec::new(), renew };
    Plan { certificate, issuers: Vec::new(), schedule, hosts, ca_files: Vec::new() }
}

/// What a look would find: a host as it is, away, in trouble, or with a server that takes nothing.
fn look(random: &mut Random, host: &TrueHost) -> Seen {
    let missed = |unreachable| Seen::Missed(Missed { reason: "it is what it is".to_owned(), unreachable });
    let reads = |broken: Option<String>| {
        vec![SeenReads {
            service: "nginx".parse().unwrap(),
            broken,
            files: Vec::new(),
            variable: false,
            settings: Default::default(),
            beside: Vec::new(),
        }]
    };
    let (problems, broken) = match random.below(40) {
        0 => return missed(true),
        1 => return missed(false),
        2 => (vec!["no room".to_owned()], None),
        3 => (Vec::new(), Some("unknown directive".to_owned())),
        _ => (Vec::new(), None),
    };
    Seen::Host(Box::new(SeenHost {
        clock_ahead: 0,
        keeper: None,
        boots: None,
        input_log: SudoLog::Off,
        live: None,
        on_disk: Vec::new(),
        proven: host.serves_new && host.link_new,
        staged: host.staged,
        previous: host.previous.clone(),
        unconfirmed: host.link_new && host.armed,
        guard: None,
        armed: host.link_new && host.armed,
        already: host.already,
        open_keys: Vec::new(),
        undone: None,
        links: Vec::new(),
        copies: Vec::new(),
        problems,
        down: Vec::new(),
        ways: Vec::new(),
        reads: reads(broken),
        served: Vec::new(),
    }))
}

/// A rollout in which nothing fails but what was seen to, with hosts that answer in any order.
fn roll_out(plan: &Plan, seen: &[Seen], random: &mut Random) -> (PerHost<Vec<Step>>, State) {
    let schedule = &plan.schedule;
    let (mut state, mut now) = (State::new(schedule), start());
    let mut steps: PerHost<Vec<Step>> = schedule.hosts.iter().map(|_| Vec::new()).collect();
    let mut running: Vec<(HostIndex, Step)> = Vec::new();
    for wave in &schedule.waves {
        state.evolve(now, &Event::Approved { wave: wave.name.clone(), by: "ann".to_owned() });
    }
    while state.outcome.is_none() {
        let mut until: Option<Timestamp> = None;
        for action in next(schedule, &state, now) {
            match action {
                Action::Record(event) => state.evolve(now, &event),
                Action::Run { host, step } => {
                    steps[host].push(step);
                    running.push((host, step));
                    state.evolve(now, &Event::StepStarted { host: schedule.hosts[host].clone(), step });
                }
                Action::Wait { until: time } => until = Some(time),
                Action::Observe => {
                    let event = Event::GateObserved {
                        wave: schedule.waves[state.wave].name.clone(),
                        sample: Sample::Handshakes(HandshakeSample {
                            handshakes: Handshakes { tried: 7, failed: 0 },
                            ..HandshakeSample::default()
                        }),
                    };
                    state.evolve(now, &event);
                }
            }
        }
        if running.is_empty() {
            now = until.unwrap_or(now);
            continue;
        }
        let (host, step) = running.swap_remove(random.below(running.len()));
        let ended = match step {
            Step::Inspect => StepEnded::Inspect(inspected(&plan.hosts[host], host.of(seen))),
            Step::Activate => StepEnded::Activate(Ok(Activated::Reloaded(Default::default()))),
            Step::Verify => StepEnded::Verify(Ok(Verified::Proven(Proven::default()))),
            Step::Stage => StepEnded::Stage(staged(&plan.hosts[host], host.of(seen))),
            Step::Commit => StepEnded::Commit(Ok(Committed::Final(Vec::new()))),
            Step::Rollback => StepEnded::Rollback(Ok(Measured::default())),
        };
        state.evolve(now, &Event::StepFinished { host: schedule.hosts[host].clone(), ended });
    }
    (steps, state)
}

#[test]
fn what_is_planned_is_what_is_done() {
    let mut seen_outcomes: HashMap<RolloutOutcome, usize> = HashMap::new();
    for seed in 0..FLEETS {
        let mut random = Random(seed);
        let plan = plan(&mut random);
        let world = World::new(Random(seed), plan.schedule.hosts.len(), plan.schedule.undo().is_some());
        let seen: Vec<Seen> = world.hosts.iter().map(|host| look(&mut random, host)).collect();
        let planned = forecast(&plan, &seen, Pace::Fastest, start());
        let (steps, state) = roll_out(&plan, &seen, &mut random);
        assert_eq!(planned.failures.is_empty(), !state.failed, "seed {seed}");
        *seen_outcomes.entry(planned.outcome).or_default() += 1;
        // Where a wave stops, who was under way by then depends on who was faster.
        if planned.failures.is_empty() {
            assert_eq!(Some(planned.outcome), state.outcome, "seed {seed}");
            assert_eq!(planned.steps, steps, "seed {seed}");
            let outcomes: PerHost<HostOutcome> = state.hosts().iter().map(|host| host.outcome()).collect();
            assert_eq!(planned.outcomes, outcomes, "seed {seed}");
        }
        // Nothing is called done where something is done.
        for ((change, steps), seen) in changes(&plan, &planned, &seen).iter().zip(&planned.steps).zip(&seen) {
            let quiet = steps.iter().all(|step| *step == Step::Inspect);
            assert!(*change != Change::Nothing || quiet, "seed {seed}: {change:?} {steps:?}");
            assert!(
                *change != Change::Nothing || matches!(seen, Seen::Host(host) if host.proven),
                "seed {seed}"
            );
        }
    }
    for outcome in [
        RolloutOutcome::Succeeded,
        RolloutOutcome::RolledBack,
        RolloutOutcome::Incomplete,
        RolloutOutcome::Failed,
        RolloutOutcome::Unchanged,
    ] {
        assert!(
            seen_outcomes.get(&outcome).is_some_and(|seen| *seen > 5),
            "{outcome:?} in {seen_outcomes:?}"
        );
    }
}

#[test]
fn taking_all_the_time_never_makes_it_faster() {
    for seed in 0..FLEETS / 10 {
        let mut random = Random(seed);
        let plan = plan(&mut random);
        let world = World::new(Random(seed), plan.schedule.hosts.len(), plan.schedule.undo().is_some());
        let seen: Vec<Seen> = world.hosts.iter().map(|host| look(&mut random, host)).collect();
        let [fastest, slowest] =
            [Pace::Fastest, Pace::Slowest].map(|pace| forecast(&plan, &seen, pace, start()));
        assert!(fastest.failures.is_empty() != slowest.failures.is_empty() || fastest.takes <= slowest.takes);
        let soaks: std::time::Duration = plan.schedule.waves.iter().map(|wave| wave.soak).sum();
        if fastest.failures.is_empty() && !fastest.steps.iter().any(|steps| steps.len() < 2) {
            assert!(fastest.takes >= soaks, "seed {seed}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_host_is_found() {
    let (plan, first) = (plan(&mut Random(1)), HostIndex::default());
    let leaf = |issuer: &str, hours: i64| Leaf {
        chain_until: None,
        fingerprint_sha256: Fingerprint::new([7; 32]),
        serial: Serial::from_bytes(&[7]),
        names: vec!["a.test".to_owned()],
        issuer: issuer.to_owned(),
        key_type: Some(KeyType::EcdsaP256),
        not_after: start() + SignedDuration::from_hours(hours),
    };
    let endpoint = Endpoint {
        address: "192.0.2.1".to_owned(),
        port: 443,
        server_name: "a.test".parse().unwrap(),
        via: Via::Direct,
        key: None,
        starttls: None,
        client: None,
    };
    let served = |leaf: Option<Leaf>| SeenServed {
        service: "nginx".parse().unwrap(),
        endpoint: endpoint.clone(),
        reason: leaf.is_none().then(|| "timed out".to_owned()),
        elsewhere: false,
        demand: None,
        leaf,
        ours: true,
        staple: None,
    };
    let previous = |hours: i64, revoked: bool| Previous {
        version: Version::found(start(), &Fingerprint::new([1; 32])),
        leaves: Vec::new(),
        not_after: start() + SignedDuration::from_hours(hours),
        revoked,
    };
    let good = SeenHost {
        clock_ahead: 5,
        keeper: None,
        boots: None,
        input_log: SudoLog::Off,
        live: None,
        on_disk: Vec::new(),
        proven: false,
        staged: false,
        previous: Some(previous(48, false)),
        unconfirmed: false,
        guard: None,
        armed: false,
        already: false,
        open_keys: Vec::new(),
        undone: None,
        links: Vec::new(),
        copies: Vec::new(),
        problems: Vec::new(),
        down: Vec::new(),
        ways: Vec::new(),
        reads: Vec::new(),
        served: vec![served(Some(leaf("CN=one", 48)))],
    };
    let next = [leaf("CN=one", 2_000)];
    let kinds = |change: fn(&mut SeenHost)| -> Vec<String> {
        let mut host = good.clone();
        change(&mut host);
        let risks = host_risks(&plan.hosts[first], &Seen::Host(Box::new(host)), &next, start());
        risks
            .iter()
            .map(|risk| serde_json::to_value(risk).unwrap()["risk"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(kinds(|_| {}).is_empty());
    assert_eq!(kinds(|host| host.clock_ahead = -6), ["clock"]);
    assert_eq!(kinds(|host| host.previous = None), ["no_way_back"]);
    assert_eq!(kinds(|host| host.previous.as_mut().unwrap().revoked = true), ["way_back_unfit"]);
    assert_eq!(kinds(|host| host.previous.as_mut().unwrap().not_after = start()), ["way_back_unfit"]);
    assert_eq!(
        kinds(|host| host.previous.as_mut().unwrap().not_after = start() + SignedDuration::from_mins(30)),
        ["way_back_short"]
    );
    assert_eq!(kinds(|host| host.unconfirmed = true), ["unconfirmed"]);
    assert_eq!(kinds(|host| host.problems.push("no room".to_owned())), ["fails"]);
    assert_eq!(
        kinds(|host| host.served[0].leaf.as_mut().unwrap().issuer = "CN=other".to_owned()),
        ["other_issuer"]
    );
    assert_eq!(
        kinds(|host| (host.served[0].leaf, host.served[0].reason) = (None, Some("timed out".to_owned()))),
        ["no_handshake"]
    );
    assert_eq!(kinds(|host| host.served[0].ours = false), ["foreign"]);
    // What it has already is not talked about.
    assert!(kinds(|host| (host.proven, host.clock_ahead) = (true, 60)).is_empty());

    // Slower than what is served lasts.
    let host = SeenHost { served: vec![served(Some(leaf("CN=one", 0)))], ..good };
    let seen = vec![Seen::Host(Box::new(host)); plan.schedule.hosts.len()];
    let [fastest, slowest] = [Pace::Fastest, Pace::Slowest].map(|pace| forecast(&plan, &seen, pace, start()));
    let risks = rollout_risks(&seen, (&fastest, &slowest), start(), |_| String::new());
    assert!(matches!(risks.as_slice(), [Risk::TooLate { .. }]), "{risks:?}");
}

/// Which risk keeps a rollout from a host, and what a person's word changes.
#[test]
fn a_rollout_refuses_what_its_plan_knows() {
    let (mut plan, first) = (plan(&mut Random(1)), HostIndex::default());
    plan.hosts[first].accepted = false;
    let leaf = Leaf {
        chain_until: None,
        fingerprint_sha256: Fingerprint::new([1; 32]),
        serial: Serial::from_bytes(&[1]),
        names: vec!["a.test".to_owned()],
        issuer: "CN=one".to_owned(),
        key_type: Some(KeyType::EcdsaP256),
        not_after: start() + SignedDuration::from_hours(48),
    };
    let served = SeenServed {
        service: "nginx".parse().unwrap(),
        endpoint: Endpoint {
            address: "192.0.2.1".to_owned(),
            port: 443,
            server_name: "a.test".parse().unwrap(),
            via: Via::Direct,
            key: None,
            starttls: None,
            client: None,
        },
        leaf: Some(leaf.clone()),
        ours: true,
        reason: None,
        elsewhere: false,
        demand: None,
        staple: None,
    };
    let file = SeenFile { path: "/etc/a.pem".to_owned(), is_key: false, ours: true, leaf: None };
    let good = SeenHost {
        clock_ahead: 0,
        keeper: None,
        boots: None,
        input_log: SudoLog::Off,
        live: Some(Version::found(start(), &Fingerprint::new([1; 32]))),
        on_disk: vec![leaf],
        proven: false,
        staged: false,
        previous: None,
        unconfirmed: false,
        guard: None,
        armed: false,
        already: false,
        open_keys: Vec::new(),
        undone: None,
        links: Vec::new(),
        copies: Vec::new(),
        problems: Vec::new(),
        down: Vec::new(),
        ways: Vec::new(),
        reads: vec![SeenReads {
            service: "nginx".parse().unwrap(),
            broken: None,
            files: vec![file],
            variable: false,
            settings: Default::default(),
            beside: Vec::new(),
        }],
        served: vec![served],
    };
    let with = |change: &dyn Fn(&mut SeenHost)| {
        let mut host = good.clone();
        change(&mut host);
        host
    };
    let empty = |host: &mut SeenHost| (host.live, host.on_disk) = (None, Vec::new());
    let down = |host: &mut SeenHost| {
        (host.served[0].leaf, host.served[0].reason) = (None, Some("refused".to_owned()))
    };
    let not_running = |host: &mut SeenHost| {
        host.down = vec![SeenDown { service: "nginx".parse().unwrap(), reason: "no pid file".to_owned() }];
    };
    let broken = |host: &mut SeenHost| host.reads[0].broken = Some("unknown directive".to_owned());
    let foreign = |host: &mut SeenHost| host.served[0].ours = false;
    let not_named = |host: &mut SeenHost| host.reads[0].files[0].ours = false;
    // Its configuration names a file that only the rollout brings, so that it runs by an older one.
    let waiting = |host: &mut SeenHost| {
        let path = plan.hosts[first].install.layout.live();
        host.reads[0].broken = Some(format!("cannot load `{path}/fullchain.pem`: No such file or directory"));
    };
    // (what is wrong, refused, refused though accepted, refused on a host that never had one)
    type Wrong<'a> = &'a dyn Fn(&mut SeenHost);
    let cases: [(&str, Wrong<'_>, [bool; 3]); 9] = [
        ("nothing", &|_| {}, [false, false, false]),
        ("down", &down, [true, false, true]),
        ("not running", &not_running, [true, false, true]),
        ("broken", &broken, [true, false, true]),
        ("foreign", &foreign, [true, false, true]),
        ("not named", &not_named, [true, false, true]),
        (
            "down and broken",
            &|host| {
                down(host);
                broken(host)
            },
            [true, false, true],
        ),
        (
            "down, and waits for a file",
            &|host| {
                down(host);
                waiting(host)
            },
            [false, false, false],
        ),
        (
            "foreign, and waits for a file",
            &|host| {
                foreign(host);
                waiting(host)
            },
            [false, false, false],
        ),
    ];
    for (what, wrong, expected) in cases {
        let mut accepted = plan.hosts[first].clone();
        accepted.accepted = true;
        let found = [
            refusal(&plan.hosts[first], &with(wrong)).is_some(),
            refusal(&accepted, &with(wrong)).is_some(),
            refusal(
                &plan.hosts[first],
                &with(&|host| {
                    wrong(host);
                    empty(host)
                }),
            )
            .is_some(),
        ];
        assert_eq!(found, expected, "{what}");
        // A host that has the certificate, or is half-way to it, is not held up.
        let has_it: [Wrong<'_>; 2] = [&|host| host.proven = true, &|host| host.armed = true];
        for has_it in has_it {
            let host = with(&|host| {
                wrong(host);
                has_it(host);
            });
            assert_eq!(refusal(&plan.hosts[first], &host), None, "{what}");
        }
        // Its plan says the same.
        let seen = Seen::Host(Box::new(with(wrong)));
        let risks = host_risks(&plan.hosts[first], &seen, &[], start());
        if !what.ends_with("waits for a file") {
            assert_eq!(risks.iter().any(|risk| risk.bar() > Bar::Never), expected[0], "{what}: {risks:?}");
        }
        let steps =
            [inspected(&plan.hosts[first], &seen).map(drop), staged(&plan.hosts[first], &seen).map(drop)];
        let fails = |step: &Result<(), StepFailure>| matches!(step, Err(StepFailure::Failed { .. }));
        assert_eq!(steps.iter().any(fails), expected[0], "{what}");
        // Where nothing is to be staged, the first step says it all.
        let seen = Seen::Host(Box::new(with(&|host| {
            wrong(host);
            host.staged = true;
        })));
        assert_eq!(fails(&inspected(&plan.hosts[first], &seen).map(drop)), expected[0], "{what}");
    }
    // Files that only clients' names choose may be the ones that are switched.
    let chosen = with(&|host| {
        not_named(host);
        host.reads[0].variable = true;
    });
    assert_eq!(refusal(&plan.hosts[first], &chosen), None);
    // A person can accept it, and is told how.
    let words = refusal(&plan.hosts[first], &with(&down)).unwrap();
    assert!(words.contains("--accept HOST"), "{words}");
    // A server that waits for files excuses no other, and a file excuses no other whose name only begins so.
    let other_down = with(&|host| {
        waiting(host);
        down(host);
        host.served[0].service = "mail".parse().unwrap();
    });
    assert!(refusal(&plan.hosts[first], &other_down).is_some());
    let other_file = with(&|host| {
        waiting(host);
        let words = host.reads[0].broken.take().unwrap();
        host.reads[0].broken = Some(words.replace('`', "").replace("load ", "load /srv"));
    });
    assert!(refusal(&plan.hosts[first], &other_file).is_some(), "{:?}", other_file.reads);
    // That it does not run at all is no matter of files: nothing would start it.
    let stopped = with(&|host| {
        waiting(host);
        not_running(host);
    });
    assert!(refusal(&plan.hosts[first], &stopped).is_some());
}
