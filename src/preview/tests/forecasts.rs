//! What would become of whom, and how long it would take.

use std::time::Duration;

use super::*;
use crate::preview::{Change, Pace, Preview, Risk, forecast};
use crate::rollout::{RolloutOutcome, WaveFailure};

const CANARY: &str =
    "waves: [{name: canary, hosts: canary, soak: 5m}, {name: rest, hosts: rest, parallel: 1}]";

fn preview<'p>(plan: &'p Plan, seen: &'p [Seen]) -> Preview<'p> {
    let failure = |reason: &WaveFailure| match reason {
        WaveFailure::Budget { .. } => "budget".to_owned(),
        other => format!("{other:?}"),
    };
    Preview::new(plan, seen, &[], start(), failure)
}

/// Four hosts, of which the first is changed so.
fn first(plan: &Plan, change: impl FnOnce(&mut SeenHost)) -> Vec<Seen> {
    let mut first = host(plan);
    change(&mut first);
    let mut all = vec![seen(first)];
    all.extend(vec![seen(host(plan)); 3]);
    all
}

#[test]
fn each_host_has_a_word_for_what_would_become_of_it() {
    let plan = plan("waves: [{name: all, hosts: all, max_failures: 3}]");
    let change = |of: Seen| {
        let mut all = first(&plan, |_| {});
        all[0] = of;
        preview(&plan, &all).changes[0].clone()
    };
    let with = |change: fn(&mut SeenHost)| {
        let mut host = host(&plan);
        change(&mut host);
        seen(host)
    };
    let fails = |reason: &str| Change::Fails { reason: reason.to_owned() };
    let cases = [
        (with(|_| {}), Change::Switch { upload: true }),
        (with(|host| host.staged = true), Change::Switch { upload: false }),
        (with(|host| host.proven = true), Change::Nothing),
        (with(|host| (host.proven, host.armed) = (true, true)), Change::Confirm),
        (with(|host| host.problems = vec!["no room".to_owned()]), fails("no room")),
        (missed("timed out", true), Change::Away { reason: "timed out".to_owned() }),
        (missed("no tar", false), fails("no tar")),
    ];
    for (seen, expected) in cases {
        assert_eq!(change(seen.clone()), expected, "{seen:?}");
    }
    // Where it is refused, by the very words of the rollout.
    let Change::Fails { reason } = change(with(|host| host.served[0].ours = false)) else { panic!() };
    assert!(reason.starts_with("refused before the switch"), "{reason}");
}

#[test]
fn a_wave_that_would_stop_takes_others_back_and_those_behind_it_are_not_reached() {
    let plan = plan(CANARY);
    let mut all = first(&plan, |_| {});
    all[1] = missed("timed out", true);
    let would = preview(&plan, &all);
    assert!(would.is_sure_to_fail() && would.has_changes());
    assert_eq!(would.changes[0], Change::BackAgain);
    assert_eq!(would.changes[2..], [Change::NotReached, Change::NotReached]);
    assert_eq!(would.changing(), 0);
    let stops = Risk::WaveStops { wave: "rest".parse().unwrap(), reason: "budget".to_owned() };
    assert_eq!(would.risks, [stops]);
}

#[test]
fn a_rollout_is_sure_to_fail_where_a_wave_stops_or_nobody_trusts_the_certificate() {
    let plan = plan("");
    let all = first(&plan, |_| {});
    let mut would = preview(&plan, &all);
    assert!(!would.is_sure_to_fail());
    assert_eq!(would.changing(), 4);
    would.risks.push(Risk::TooLate { expires: start(), over: start() });
    assert!(!would.is_sure_to_fail());
    would.risks.push(Risk::NotTrusted { reason: "self-signed".to_owned() });
    assert!(would.is_sure_to_fail());
}

#[test]
fn where_all_hosts_have_it_nothing_would_change() {
    let plan = plan("");
    let mut has_it = host(&plan);
    has_it.proven = true;
    let all = vec![seen(has_it); 4];
    let would = preview(&plan, &all);
    assert!(!would.has_changes());
    assert_eq!(would.fastest.outcome, RolloutOutcome::Unchanged);
}

#[test]
fn the_slowest_rollout_takes_all_the_time_that_each_step_may_and_every_soak() {
    let plan = plan(&format!("{CANARY}\nverify: {{timeout: 10s}}"));
    let takes = |pace| forecast(&plan, &first(&plan, |_| {}), pace, start()).takes;
    // Inspection, staging and confirmation take a minute each; activation a minute and twice the time-out; a proof once.
    let host = 3 * 60 + (60 + 20) + 10;
    assert_eq!(takes(Pace::Slowest), Duration::from_secs(4 * host + 300));
    // Five round trips a host.
    assert_eq!(takes(Pace::Fastest), Duration::from_secs(4 + 300));
    // Three in the rest at a time.
    let parallel =
        super::plan("waves: [{name: canary, hosts: canary}, {name: rest, hosts: rest, parallel: 2}]");
    let fastest = forecast(&parallel, &first(&parallel, |_| {}), Pace::Fastest, start());
    assert_eq!(fastest.takes, Duration::from_secs(3));
}

#[test]
fn an_approval_is_taken_to_come_at_once() {
    let plan = plan("waves: [{name: all, hosts: all, approval: required}]");
    let forecast = forecast(&plan, &first(&plan, |_| {}), Pace::Fastest, start());
    assert_eq!((forecast.outcome, forecast.takes), (RolloutOutcome::Succeeded, Duration::from_secs(1)));
}

#[test]
fn a_deadline_that_only_the_slowest_misses_is_a_risk_and_no_failure() {
    let plan = plan("waves: [{name: all, hosts: all, deadline: 2m}]");
    let all = first(&plan, |_| {});
    let would = preview(&plan, &all);
    assert_eq!(would.risks, [Risk::MayMissDeadline { wave: "all".parse().unwrap() }]);
    assert!(!would.is_sure_to_fail());
}

#[test]
fn what_is_served_may_expire_before_the_slowest_rollout_is_over() {
    let plan = plan("");
    let slowest = forecast(&plan, &first(&plan, |_| {}), Pace::Slowest, start()).takes.as_secs();
    let expires = |seconds: i64, proven: bool| {
        let all = first(&plan, |host| {
            host.proven = proven;
            host.served[0].leaf = Some(leaf(1, seconds));
        });
        let late = |risk: &Risk| matches!(risk, Risk::TooLate { expires, .. } if *expires == after(seconds));
        preview(&plan, &all).risks.iter().any(late)
    };
    let slowest = i64::try_from(slowest).unwrap();
    assert!(expires(slowest - 1, false));
    assert!(expires(slowest, false));
    assert!(!expires(slowest + 1, false));
    // It is not worked on.
    assert!(!expires(1, true));
}
