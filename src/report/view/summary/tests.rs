//! The summary of a rollout: its sentence, its reasons and its hosts.

use super::*;
use crate::certificate::testing::Authority;

fn summary(outcome: RolloutOutcome, back: bool, undo: bool, hosts: &[HostOutcome]) -> Summary {
    let host = |(number, outcome): (usize, &HostOutcome)| HostSummary {
        host: format!("web{:02}", number + 1).parse().unwrap(),
        wave: "all".parse().unwrap(),
        outcome: *outcome,
        state: None,
        failed_handshakes: 0,
        dropped_connections: None,
        closed_connections: None,
        idle: 0,
        seconds: 0.0,
        error: None,
        breaks_at: None,
        kept: false,
        risks: vec![Remark { risk: "clock".to_owned(), text: "its clock is 7 s behind".to_owned() }],
        handshakes: 0,
    };
    let hosts = hosts.iter().enumerate().map(host).collect();
    Summary { outcome: Some(outcome), hosts, pause: None, back, undo, failure: None }
}

/// Read aloud: nothing that goes back speaks of a new certificate.
#[test]
fn each_direction_has_its_words() {
    use HostOutcome::{Changed, RolledBack, Unchanged, Untouched};
    let certificate = RolledOut {
        name: "a.test".parse().unwrap(),
        version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
        leaf: Leaf::from(&Authority::new("Root").certificate),
        not_after: "2027-02-21T20:01:00Z".parse().unwrap(),
    };
    let hosts = [Changed, Changed, Unchanged, RolledBack, Untouched];
    let text = |outcome, back, undo| {
        let summary = summary(outcome, back, undo, &hosts);
        format!("{}: {}\n  {}", summary.word(), summary.sentence(&certificate), summary.fleet())
    };
    let all = [
        text(RolloutOutcome::Succeeded, false, false),
        text(RolloutOutcome::Interrupted, false, false),
        text(RolloutOutcome::Succeeded, true, false),
        text(RolloutOutcome::Interrupted, true, false),
        text(RolloutOutcome::Incomplete, true, false),
        text(RolloutOutcome::RolledBack, true, true),
        text(RolloutOutcome::Interrupted, true, true),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    succeeded: 3 of 5 hosts serve a.test 20261123T200100Z-3f9a1c2e, valid until 2027-02-21
      web01, web02 serve the new certificate, proven; web03 served the new certificate before; web04 is proven back on its previous certificate; web05 was not touched
    interrupted: interrupted
      web01, web02 serve the new certificate, proven; web03 served the new certificate before; web04 is proven back on its previous certificate; web05 was not touched
    rolled back: 3 of 5 hosts are back on a.test 20261123T200100Z-3f9a1c2e, valid until 2027-02-21
      web01, web02 are back on the earlier certificate, proven; web03 served the earlier certificate before; web04 is proven on the certificate from before this rollback; web05 was not touched
    interrupted: interrupted
      web01, web02 are back on the earlier certificate, proven; web03 served the earlier certificate before; web04 is proven on the certificate from before this rollback; web05 was not touched
    incomplete: 3 of 5 hosts are back on a.test 20261123T200100Z-3f9a1c2e; the others are named below
      web01, web02 are back on the earlier certificate, proven; web03 served the earlier certificate before; web04 is proven on the certificate from before this rollback; web05 was not touched
    rolled back: 1 of 5 hosts are proven back on what they had before a.test 20261123T200100Z-3f9a1c2e
      web01, web02 serve the new certificate, proven; web03 served the new certificate before; web04 is proven back on its previous certificate; web05 was not touched
    interrupted: interrupted
      web01, web02 serve the new certificate, proven; web03 served the new certificate before; web04 is proven back on its previous certificate; web05 was not touched
    ");
    let notes = summary(RolloutOutcome::Succeeded, false, false, &hosts).notes();
    assert_eq!(notes, ["web[01:05]: its clock is 7 s behind"]);
}

/// Hosts that ended so, of which more can be told.
fn hosts(hosts: &[HostOutcome], change: impl Fn(usize, &mut HostSummary)) -> Summary {
    let mut summary = summary(RolloutOutcome::Succeeded, false, false, hosts);
    summary.hosts.iter_mut().enumerate().for_each(|(at, host)| change(at, host));
    summary
}

fn certificate() -> RolledOut {
    RolledOut {
        name: "a.test".parse().unwrap(),
        version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
        leaf: Leaf::from(&Authority::new("Root").certificate),
        not_after: "2027-02-21T20:01:00Z".parse().unwrap(),
    }
}

const ALL: [HostOutcome; 7] = [
    HostOutcome::Changed,
    HostOutcome::Unchanged,
    HostOutcome::RolledBack,
    HostOutcome::RollbackFailed,
    HostOutcome::Failed,
    HostOutcome::Unreachable,
    HostOutcome::Untouched,
];

#[test]
fn hosts_are_left_behind_that_are_not_where_the_rollout_wanted_them() {
    let left = |back, undo| {
        let mut summary = summary(RolloutOutcome::Incomplete, back, undo, &ALL);
        summary.left_behind().map(|(_, host)| host.outcome).collect::<Vec<_>>()
    };
    use HostOutcome::{Changed, Failed, RollbackFailed, RolledBack, Unreachable, Untouched};
    let forward = [RolledBack, RollbackFailed, Failed, Unreachable, Untouched];
    assert_eq!(left(false, false), forward);
    assert_eq!(left(true, false), forward);
    assert_eq!(left(true, true), [Changed, RollbackFailed, Failed, Unreachable, Untouched]);
}

#[test]
fn of_a_large_fleet_the_table_has_those_that_did_not_change() {
    let lines = |changed: usize| {
        let fleet = [vec![HostOutcome::Changed; changed], ALL[1..].to_vec()].concat();
        summary(RolloutOutcome::Incomplete, false, false, &fleet)
            .table()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // The header, and a line for each.
    assert_eq!(lines(54).len(), 1 + 60);
    let large = lines(55);
    assert_eq!(large.len(), 1 + 6 + 1);
    assert!(large[1].contains("web56") && large[1].contains("unchanged"), "{large:?}");
    assert_eq!(large[7], "… and 55 more hosts that changed");
}

#[test]
fn what_the_switch_cost_is_summed_over_all_hosts() {
    let cost = |of: &[(u64, u64, Option<u32>)]| {
        let fleet = vec![HostOutcome::Changed; of.len()];
        hosts(&fleet, |at, host| {
            (host.handshakes, host.failed_handshakes, host.dropped_connections) = of[at];
        })
        .cost()
    };
    assert_eq!(cost(&[(0, 0, None), (0, 0, None)]), "");
    let kept = hosts(&[HostOutcome::Changed, HostOutcome::Changed], |_, host| {
        (host.handshakes, host.dropped_connections) = (5, Some(0));
        (host.idle, host.closed_connections) = (2, Some(1));
    });
    assert_eq!(
        kept.cost(),
        "; 0 of 10 handshakes failed, 0 requests were cut and 2 of 4 idle connections closed while hosts were switched"
    );
    assert_eq!(
        cost(&[(10, 0, Some(0)), (5, 2, Some(1))]),
        "; 2 of 15 handshakes failed and 1 request was cut while hosts were switched"
    );
    assert_eq!(
        cost(&[(1, 0, Some(0))]),
        "; 0 of 1 handshake failed and 0 requests were cut while hosts were switched"
    );
    assert_eq!(
        cost(&[(1, 1, Some(1)), (1, 1, Some(1))]),
        "; 2 of 2 handshakes failed and 2 requests were cut while hosts were switched"
    );
    // What was not watched is not told.
    assert_eq!(cost(&[(3, 0, None)]), "; 0 of 3 handshakes failed while hosts were switched");
}

#[test]
fn a_host_is_told_what_it_serves_in_the_words_of_its_direction() {
    let serves = |state, back, undo| {
        let mut summary = summary(RolloutOutcome::Succeeded, back, undo, &[HostOutcome::Changed]);
        summary.hosts.iter_mut().for_each(|host| host.state = state);
        let row = summary.table().lines().nth(1).unwrap().to_owned();
        row.split("changed")
            .nth(1)
            .unwrap()
            .split("  ")
            .find(|cell| !cell.trim().is_empty())
            .unwrap()
            .trim()
            .to_owned()
    };
    use EndpointState::{New, Previous, Unknown};
    for (state, forward, back, undo) in [
        (Some(New), "new", "restored", "restored"),
        (Some(Previous), "previous", "as before", "previous"),
        (Some(Unknown), "something else", "something else", "something else"),
        (None, "-", "-", "-"),
    ] {
        let all = [serves(state, false, false), serves(state, true, false), serves(state, true, true)];
        assert_eq!(all, [forward, back, undo], "{state:?}");
    }
}

#[test]
fn a_host_that_was_not_switched_has_no_handshakes_to_tell_of() {
    let row = |handshakes, held| {
        let summary = hosts(&[HostOutcome::Changed], |_, host| {
            (host.handshakes, host.failed_handshakes, host.dropped_connections) = (handshakes, 0, held);
            host.seconds = 1.5;
        });
        summary.table().lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row(0, None), "web01 all changed - - - 1.50");
    assert_eq!(row(7, Some(0)), "web01 all changed - 0 of 7 0 1.50");
    // Nothing was in flight that could have been cut.
    assert_eq!(row(7, None), "web01 all changed - 0 of 7 - 1.50");
}

#[test]
fn each_end_has_its_sentence() {
    let sentence = |outcome: Option<RolloutOutcome>, change: &dyn Fn(&mut Summary)| {
        let mut summary = summary(RolloutOutcome::Succeeded, false, false, &ALL);
        summary.outcome = outcome;
        change(&mut summary);
        format!("{}: {}", summary.word(), summary.sentence(&certificate()))
    };
    let pause = |pause: Option<Pause>| {
        sentence(Some(RolloutOutcome::Paused), &move |summary| summary.pause.clone_from(&pause))
    };
    let budget = |summary: &mut Summary| {
        let reason = WaveFailure::Budget { failed: 2, allowed: 1, hosts: 7 };
        summary.failure = Some(("canary".parse().unwrap(), reason));
    };
    let all = [
        sentence(Some(RolloutOutcome::Unchanged), &|_| {}),
        sentence(Some(RolloutOutcome::Incomplete), &|_| {}),
        sentence(Some(RolloutOutcome::Incomplete), &|summary| (summary.back, summary.undo) = (true, true)),
        sentence(Some(RolloutOutcome::Failed), &budget),
        sentence(Some(RolloutOutcome::RolledBack), &budget),
        sentence(Some(RolloutOutcome::NeedsAttention), &|_| {}),
        pause(Some(Pause::By { by: "ann".to_owned() })),
        pause(Some(Pause::Approval { wave: "canary".parse().unwrap() })),
        pause(Some(Pause::Inconclusive)),
        pause(None),
        sentence(None, &|_| {}),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
        unchanged: 2 of 7 hosts served a.test 20261123T200100Z-3f9a1c2e before, valid until 2027-02-21
        incomplete: 2 of 7 hosts serve a.test 20261123T200100Z-3f9a1c2e; the others are named below
        incomplete: 1 of 7 hosts are proven back; the others are named below
        failed: wave `canary` stopped: 2 of 7 hosts failed, 1 may fail
        rolled back: wave `canary` stopped: 2 of 7 hosts failed, 1 may fail
        needs attention: 1 of 7 hosts needs a person: not proven back
        paused: paused by ann
        paused: wave `canary` waits for an approval
        paused: nothing was measured during the soak: paused
        paused: nothing was measured during the soak: paused
        not finished: not finished: the process that ran it ended
        ");
}

#[test]
fn a_wave_waits_for_a_word_only_where_it_needs_one() {
    let awaits =
        |pause| Summary { pause, ..summary(RolloutOutcome::Paused, false, false, &[]) }.awaits_approval();
    assert!(awaits(Some(Pause::Approval { wave: "canary".parse().unwrap() })));
    for other in [None, Some(Pause::Inconclusive), Some(Pause::By { by: "ann".to_owned() })] {
        assert!(!awaits(other));
    }
}

#[test]
fn many_hosts_are_counted_and_five_are_named() {
    let fleet = |number| {
        summary(RolloutOutcome::Succeeded, false, false, &vec![HostOutcome::RollbackFailed; number]).fleet()
    };
    assert_eq!(fleet(1), "web01 needs a person");
    assert_eq!(fleet(5), "web01, web02, web03, web04, web05 need a person");
    assert_eq!(fleet(6), "6 hosts need a person");
}

#[test]
fn reasons_are_told_with_when_a_host_breaks_and_what_is_alike_once() {
    let breaks = "2027-02-21T20:01:00Z".parse().unwrap();
    let summary = hosts(&[HostOutcome::Failed; 4], |at, host| {
        host.error = (at != 3).then(|| "it failed".to_owned());
        host.breaks_at = (at > 1).then_some(breaks);
    });
    assert_eq!(
        summary.reasons(),
        [
            "web[01:02]: it failed",
            "web03: it failed; what it serves expires on 2027-02-21 20:01:00Z",
            "web04: what it serves expires on 2027-02-21 20:01:00Z",
        ]
    );
    let differing = hosts(&[HostOutcome::Changed; 3], |at, host| {
        let risk = |risk: &str, text: String| Remark { risk: risk.to_owned(), text };
        host.risks = vec![risk("paths", format!("/{} leads elsewhere", at / 2))];
        if at == 1 {
            host.risks.push(risk("clock", "its clock is 7 s behind".to_owned()));
        }
    });
    assert_eq!(
        differing.notes(),
        [
            "web[01:03]: /0 leads elsewhere (that is web01; the others are alike)",
            "web02: its clock is 7 s behind",
        ]
    );
}
