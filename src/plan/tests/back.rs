//! The plan in the other direction.

use std::time::Duration;

use crate::plan::testing::resolved;
use crate::plan::{Direction, HostIndex, OnFailure, Plan, Undo};

fn forward() -> Plan {
    let sections = "waves: [{name: canary, hosts: canary, soak: 5m, approval: required, parallel: 2}, \
         {name: rest, hosts: rest, batch: 1, max_failures: 1, deadline: 1h, progress_deadline: 5m}]\n\
         deadline: 2h\nwindows: {allow: Mon 09:00-10:00 UTC}\non_failure: rollback-wave";
    let mut plan = resolved(sections).unwrap().plan;
    plan.schedule.unsoaked.insert(HostIndex::new(0));
    plan
}

#[test]
fn the_newest_wave_goes_back_first_each_host_with_its_own_plan() {
    let back = forward().back();
    let hosts: Vec<&str> = back.schedule.hosts.iter().map(|host| host.as_str()).collect();
    assert_eq!(hosts, ["web02", "web03", "web04", "web01"]);
    assert!(back.hosts.iter().zip(hosts).all(|(plan, host)| plan.login.host.as_str() == host));
    let waves: Vec<&str> = back.schedule.waves.iter().map(|wave| wave.name.as_str()).collect();
    assert_eq!(waves, ["rest", "canary"]);
    assert_eq!(back.schedule.waves[0].batches, [(0..3).into()]);
    assert_eq!(back.schedule.waves[1].batches, [(3..4).into()]);
}

#[test]
fn the_way_back_waits_for_nobody_and_for_nothing() {
    let schedule = forward().back().schedule;
    for wave in &schedule.waves {
        assert!(!wave.approval, "{}", wave.name);
        assert_eq!(wave.soak, Duration::ZERO, "{}", wave.name);
        assert_eq!((wave.deadline, wave.progress_deadline), (None, None), "{}", wave.name);
    }
    assert_eq!((schedule.deadline, schedule.windows), (None, None));
    assert!(schedule.unsoaked.is_empty());
}

#[test]
fn on_the_way_back_no_host_stops_another() {
    let schedule = forward().back().schedule;
    assert_eq!(schedule.on_failure, OnFailure::Halt);
    let may_fail: Vec<usize> = schedule.waves.iter().map(|wave| wave.max_failures).collect();
    assert_eq!(may_fail, [3, 1]);
    // As many at once as went forward.
    let parallel: Vec<usize> = schedule.waves.iter().map(|wave| wave.parallel).collect();
    assert_eq!(parallel, [32, 2]);
}

#[test]
fn back_is_to_one_version_and_an_undo_is_each_hosts_own() {
    assert_eq!(forward().schedule.direction, Direction::Forward);
    assert!(!forward().schedule.goes_back());
    let back = forward().back().schedule;
    assert!(back.goes_back() && back.undo().is_none());
    let undo = Undo { lasts_until: "2027-01-01T00:00:00Z".parse().unwrap(), accepted: Vec::new() };
    let undone = forward().undo(undo.clone());
    assert!(undone.schedule.goes_back());
    assert_eq!(undone.schedule.undo(), Some(&undo));
    assert_eq!(undone.schedule.hosts, back.hosts);
}
