//! Who goes when.

use std::time::Duration;

use crate::plan::testing::{resolved, resolved_within};
use crate::plan::{OnFailure, Resolved, Schedule};

fn schedule(sections: &str) -> Schedule {
    resolved(sections).unwrap().plan.schedule
}

/// Each wave with its hosts.
fn waves(schedule: &Schedule) -> Vec<String> {
    let names = |wave: &crate::plan::WaveSchedule| {
        let hosts: Vec<&str> = schedule.hosts[wave.hosts()].iter().map(|host| host.as_str()).collect();
        format!("{}: {}", wave.name, hosts.join(" "))
    };
    schedule.waves.iter().map(names).collect()
}

#[test]
fn a_host_goes_with_the_first_wave_that_names_it() {
    let sections =
        "waves: [{name: one, hosts: \"web02:web03\"}, {name: two, hosts: canary}, {name: three, hosts: all}]";
    let Resolved { plan, notes } = resolved(sections).unwrap();
    assert_eq!(waves(&plan.schedule), ["one: web02 web03", "two: web01", "three: web04"]);
    let notes: Vec<(&str, bool)> = notes.iter().map(|note| (note.text.as_str(), note.is_detail)).collect();
    assert!(notes.contains(&("web01 is also in `two` and is updated there", true)), "{notes:?}");
    assert!(notes.contains(&("web[02:03] are also in `one` and are updated there", true)), "{notes:?}");
    let places: Vec<&str> = plan.hosts.iter().map(|host| host.login.host.as_str()).collect();
    assert_eq!(places, ["web02", "web03", "web01", "web04"]);
}

#[test]
fn a_wave_has_what_the_playbook_says_of_it() {
    let all = schedule(
        "waves: [{name: all, hosts: all, batch: [1, 2], parallel: 3, max_failures: 2, soak: 5m, approval: required, \
         deadline: 1h, progress_deadline: 9m}]\ndeadline: 2h\non_failure: halt",
    );
    let wave = &all.waves[0];
    assert_eq!(wave.batches, [(0..1).into(), (1..3).into(), (3..4).into()]);
    assert_eq!((wave.parallel, wave.max_failures, wave.approval), (3, 2, true));
    let minutes = |of: u64| Duration::from_secs(60 * of);
    assert_eq!((wave.soak, wave.deadline), (minutes(5), Some(minutes(60))));
    assert_eq!((wave.progress_deadline, all.deadline), (Some(minutes(9)), Some(minutes(120))));
    assert_eq!(all.on_failure, OnFailure::Halt);
}

#[test]
fn a_wave_of_which_nothing_is_said_is_careful() {
    let all = schedule("");
    let wave = &all.waves[0];
    assert_eq!(wave.batches, [(0..4).into()]);
    assert_eq!((wave.parallel, wave.max_failures, wave.approval), (32, 0, false));
    assert_eq!((wave.soak, wave.deadline, wave.progress_deadline), (Duration::ZERO, None, None));
    assert_eq!((all.on_failure, all.deadline), (OnFailure::Rollback, None));
}

#[test]
fn each_word_for_what_follows_a_failure_means_that() {
    let words = [
        ("rollback", OnFailure::Rollback),
        ("rollback-wave", OnFailure::RollbackWave),
        ("rollback-host", OnFailure::RollbackHost),
        ("halt", OnFailure::Halt),
    ];
    for (word, on_failure) in words {
        assert_eq!(schedule(&format!("on_failure: {word}")).on_failure, on_failure);
    }
}

/// The canary is left to the first wave: 34 % of three are one, and of four, too.
#[test]
fn a_share_of_failures_is_of_the_hosts_that_the_wave_has_and_is_rounded_down() {
    for (share, may_fail) in
        [("0%", 0), ("33%", 0), ("34%", 1), ("66%", 1), ("67%", 2), ("99%", 2), ("100%", 3)]
    {
        let sections = format!(
            "waves: [{{name: canary, hosts: canary}}, {{name: all, hosts: all, max_failures: {share}}}]"
        );
        assert_eq!(schedule(&sections).waves[1].max_failures, may_fail, "{share}");
    }
}

#[test]
fn a_limit_leaves_hosts_out_and_moves_none_to_another_wave() {
    let sections = "waves: [{name: canary, hosts: canary}, {name: all, hosts: all, max_failures: 50%}]";
    let limited = |hosts: &[&str]| resolved_within(sections, Some(hosts));
    let two = limited(&["web03", "web02"]).unwrap().plan.schedule;
    assert_eq!(waves(&two), ["all: web02 web03"]);
    assert_eq!(two.waves[0].max_failures, 1);
    let canary = limited(&["web01"]).unwrap().plan.schedule;
    assert_eq!(waves(&canary), ["canary: web01"]);
    assert_eq!(limited(&[]).unwrap_err(), ["the limit leaves no host of any wave"]);
}

#[test]
fn a_wave_without_a_host_of_its_own_is_told_unless_a_limit_emptied_it() {
    let sections = "waves: [{name: one, hosts: all}, {name: two, hosts: canary}]";
    let words = resolved(sections).unwrap_err();
    assert_eq!(words, ["wave `two` is empty: earlier waves have all its hosts"]);
    assert!(resolved_within(sections, Some(&["web01"])).is_ok());
}

#[test]
fn hosts_in_no_wave_are_told_and_a_limit_is_no_reason_to() {
    let notes = |limit: Option<&[&str]>| {
        let resolved = resolved_within("waves: [{name: all, hosts: rest}]", limit).unwrap();
        resolved.notes.into_iter().map(|note| (note.text, note.is_detail)).collect::<Vec<_>>()
    };
    let told = [("1 of 4 hosts of the inventory are in no wave".to_owned(), false)];
    assert_eq!(notes(None), told);
    assert_eq!(notes(Some(&["web02"])), told);
    assert_eq!(resolved("").unwrap().notes, []);
}

#[test]
fn a_wave_that_could_not_be_meant_is_told() {
    let cases = [
        ("batch: 0", "a batch of no hosts"),
        ("batch: [1, 0%]", "a batch of no hosts"),
        ("parallel: 0", "`parallel` is 0: no host would ever be changed"),
        ("approval: yes", "`approval` is `yes`"),
        ("soak: 5m, deadline: 5m", "`deadline` is 5m, and the soak alone takes 5m"),
        ("deadline: 0s", "`deadline` is 0: nothing could ever be over in time"),
        ("max_failures: 101%", "a share is at most `100%`"),
    ];
    for (setting, words) in cases {
        let told = resolved(&format!("waves: [{{name: all, hosts: all, {setting}}}]")).unwrap_err();
        assert!(told.iter().any(|one| one.contains(words)), "{setting}: {told:?}");
    }
    let twice = resolved("waves: [{name: a, hosts: canary}, {name: a, hosts: rest}]").unwrap_err();
    assert_eq!(twice, ["two waves are named `a`"]);
}

#[test]
fn a_host_in_a_wave_needs_a_server() {
    let words = resolved("services: [{hosts: canary, nginx: {}}]").unwrap_err();
    assert_eq!(words, ["web02 and 2 more: in a wave, but no service matches"]);
    let words = resolved("services: [{hosts: \"all:!web03\", nginx: {}}]").unwrap_err();
    assert_eq!(words, ["web03: in a wave, but no service matches"]);
}

#[test]
fn a_schedule_knows_the_wave_and_the_place_of_each_host() {
    let schedule = schedule("waves: [{name: canary, hosts: canary}, {name: all, hosts: all, batch: 1}]");
    let of: Vec<usize> = schedule.hosts.range().iter().map(|host| schedule.wave_of(host)).collect();
    assert_eq!(of, [0, 1, 1, 1]);
    for (host, name) in schedule.hosts.indexed() {
        assert_eq!(schedule.index_of(name), Some(host));
    }
    assert_eq!(schedule.index_of(&"web09".parse().unwrap()), None);
}
