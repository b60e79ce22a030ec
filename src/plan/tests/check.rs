//! The second look at a plan: one row for each of its rules.

use std::time::Duration;

use crate::install::{FilePart, Layout};
use crate::plan::testing::resolved;
use crate::plan::{HostIndex, HostPlan, Plan, WaveSchedule, check};

/// Two waves, of one host and of three.
fn plan() -> Plan {
    resolved("waves: [{name: canary, hosts: canary, soak: 5m}, {name: all, hosts: all}]").unwrap().plan
}

fn broken(change: impl FnOnce(&mut Plan)) -> Vec<String> {
    let mut plan = plan();
    change(&mut plan);
    check(&plan)
}

#[test]
fn a_plan_that_breaks_no_rule_has_nothing_to_say() {
    assert_eq!(check(&plan()), Vec::<String>::new());
    assert_eq!(check(&plan().back()), Vec::<String>::new());
}

#[test]
fn each_rule_of_a_schedule_is_told_when_it_is_broken() {
    type Change = fn(&mut Plan);
    let seconds = |of: u64| Some(Duration::from_secs(of));
    let cases: [(&str, Change, &[&str]); 9] = [
        (
            "no hosts",
            |plan| {
                (plan.schedule.hosts, plan.hosts) = (Vec::new().into(), Vec::new().into());
                plan.schedule.waves.clear();
            },
            &["no host is planned"],
        ),
        (
            "a host twice",
            |plan| {
                plan.schedule.hosts[at(3)] = plan.schedule.hosts[at(2)].clone();
                plan.hosts[at(3)] = plan.hosts[at(2)].clone();
            },
            &["a host is planned twice"],
        ),
        (
            "fewer plans than hosts",
            |plan| plan.hosts = plan.hosts.iter().take(3).cloned().collect(),
            &["not every host has a plan of its own"],
        ),
        (
            "a wave without batches",
            |plan| plan.schedule.waves.push(WaveSchedule { batches: Vec::new(), ..wave(plan, 1) }),
            &["wave `all` has no batch"],
        ),
        (
            "a gap",
            |plan| plan.schedule.waves[1].batches = vec![(2..4).into()],
            &["the batches of wave `all` do not follow each other"],
        ),
        (
            "an overlap",
            |plan| plan.schedule.waves[1].batches = vec![(1..3).into(), (2..4).into()],
            &["the batches of wave `all` do not follow each other"],
        ),
        (
            "an empty batch",
            |plan| plan.schedule.waves[1].batches = vec![(1..1).into(), (1..4).into()],
            &["the batches of wave `all` do not follow each other"],
        ),
        (
            "nobody at a time",
            |plan| plan.schedule.waves[0].parallel = 0,
            &["wave `canary` may change no host at a time"],
        ),
        (
            "a host in no wave",
            |plan| plan.schedule.waves[1].batches = vec![(1..3).into()],
            &["not every host is in a wave"],
        ),
    ];
    for (what, change, words) in cases {
        assert_eq!(broken(change), words, "{what}");
    }
    // The canary soaks for five minutes.
    let misses = "the soak of wave `canary` alone misses its deadline";
    for (deadline, words) in [(299, vec![misses.to_owned()]), (300, vec![misses.to_owned()]), (301, vec![])] {
        assert_eq!(broken(|plan| plan.schedule.waves[0].deadline = seconds(deadline)), words, "{deadline} s");
    }
}

fn at(place: usize) -> HostIndex {
    HostIndex::new(place)
}

fn wave(plan: &Plan, at: usize) -> WaveSchedule {
    plan.schedule.waves[at].clone()
}

#[test]
fn the_order_of_the_hosts_is_that_of_their_plans() {
    let words = broken(|plan| plan.hosts.swap(1, 2));
    let other = |host: &str| format!("{host}: its place in the order is another host's");
    assert_eq!(words, [other("web02"), other("web03")]);
}

#[test]
fn each_rule_of_a_host_is_told_when_it_is_broken() {
    type Change = fn(&mut HostPlan);
    let cases: [(&str, Change, Option<&str>); 20] = [
        (
            "another certificate",
            |host| {
                let directory = host.install.layout.directory().clone();
                host.install.layout = Layout::new(directory, "b.test".parse().unwrap());
            },
            Some("it would get `b.test`"),
        ),
        ("keep 0", |host| host.install.keep = 0, Some("the version before would be pruned")),
        ("keep 1", |host| host.install.keep = 1, Some("the version before would be pruned")),
        ("keep 2", |host| host.install.keep = 2, None),
        (
            "others read",
            |host| host.install.key_mode = Some(0o604),
            Some("others could read the private key"),
        ),
        (
            "others write",
            |host| host.install.key_mode = Some(0o602),
            Some("others could read the private key"),
        ),
        ("others run", |host| host.install.key_mode = Some(0o601), Some("others could read the private key")),
        ("the group reads", |host| host.install.key_mode = Some(0o640), None),
        (
            "one path for two files",
            |host| {
                let path = || "/etc/ssl/a.pem".parse().unwrap();
                host.install.links =
                    vec![(path(), FilePart::Fullchain.into()), (path(), FilePart::Privkey.into())];
            },
            Some("a path is linked to two files"),
        ),
        (
            "two paths for one file",
            |host| {
                let path = |text: &str| text.parse().unwrap();
                host.install.links =
                    vec![(path("/a"), FilePart::Cert.into()), (path("/b"), FilePart::Cert.into())];
            },
            None,
        ),
        ("no service", |host| host.services.clear(), Some("nothing would prove it")),
        ("no endpoint", |host| host.services[0].endpoints.clear(), Some("nothing would prove it")),
        (
            "one service of two without an endpoint",
            |host| {
                let mut other = host.services[0].clone();
                other.endpoints.clear();
                host.services.push(other);
            },
            Some("nothing would prove it"),
        ),
        ("no answer", |host| host.answers = 0, Some("its proof would prove nothing")),
        ("one answer", |host| host.answers = 1, None),
        ("no time", |host| host.timeout = Duration::ZERO, Some("its proof would prove nothing")),
        (
            "a switch that is faster than the proof",
            |host| host.dead_man = Some(host.timeout - Duration::from_secs(1)),
            Some("its dead-man switch would be faster than its proof"),
        ),
        (
            "a switch that is as fast as the proof",
            |host| host.dead_man = Some(host.timeout),
            Some("its dead-man switch would be faster than its proof"),
        ),
        (
            "a switch that is slower than the proof",
            |host| host.dead_man = Some(host.timeout + Duration::from_secs(1)),
            None,
        ),
        ("no switch", |host| host.dead_man = None, None),
    ];
    for (what, change, words) in cases {
        let words: Vec<String> = words.iter().map(|words| format!("web02: {words}")).collect();
        assert_eq!(broken(|plan| change(&mut plan.hosts[at(1)])), words, "{what}");
    }
}

#[test]
fn every_rule_that_is_broken_is_told() {
    let words = broken(|plan| {
        (plan.schedule.waves[0].parallel, plan.schedule.waves[1].parallel) = (0, 0);
        (plan.hosts[at(0)].install.keep, plan.hosts[at(0)].answers) = (1, 0);
        plan.hosts[at(3)].services.clear();
    });
    assert_eq!(
        words,
        [
            "wave `canary` may change no host at a time",
            "wave `all` may change no host at a time",
            "web01: the version before would be pruned",
            "web01: its proof would prove nothing",
            "web04: nothing would prove it",
        ]
    );
}
