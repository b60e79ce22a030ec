//! What goes back when a wave fails is `on_failure`'s to say: every word of it, in the first wave and in the second.

use certwave::lab::Break;

use crate::support::Fleet;

/// Three hosts in two waves: the second host of a wave fails when another of its wave is done, or a host alone.
struct Case {
    on_failure: &'static str,
    /// The hosts of the first wave; the others are the second.
    first: &'static str,
    fails: usize,
    code: i32,
    outcomes: [&'static str; 3],
}

const CASES: [Case; 8] = [
    Case {
        on_failure: "rollback",
        first: "web01:web02",
        fails: 1,
        code: 3,
        outcomes: ["rolled_back", "rolled_back", "untouched"],
    },
    Case {
        on_failure: "rollback-wave",
        first: "web01:web02",
        fails: 1,
        code: 3,
        outcomes: ["rolled_back", "rolled_back", "untouched"],
    },
    Case {
        on_failure: "rollback-host",
        first: "web01:web02",
        fails: 1,
        code: 4,
        outcomes: ["changed", "rolled_back", "untouched"],
    },
    Case {
        on_failure: "halt",
        first: "web01:web02",
        fails: 1,
        code: 4,
        outcomes: ["changed", "rolled_back", "untouched"],
    },
    Case {
        on_failure: "rollback",
        first: "web01",
        fails: 2,
        code: 3,
        outcomes: ["rolled_back", "rolled_back", "rolled_back"],
    },
    Case {
        on_failure: "rollback-wave",
        first: "web01",
        fails: 2,
        code: 4,
        outcomes: ["changed", "rolled_back", "rolled_back"],
    },
    Case {
        on_failure: "rollback-host",
        first: "web01",
        fails: 2,
        code: 4,
        outcomes: ["changed", "changed", "rolled_back"],
    },
    Case {
        on_failure: "halt",
        first: "web01",
        fails: 2,
        code: 4,
        outcomes: ["changed", "changed", "rolled_back"],
    },
];

#[test]
fn each_word_in_each_wave() {
    let mut fleet = Fleet::start(3);
    fleet.edit("    soak: 1s", "    batch: 1");
    fleet.edit("    batch: [1, 50%]", "    batch: 1\n\non_failure: rollback");
    let playbook = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    for Case { on_failure, first, fails, code, outcomes } in CASES {
        let context = format!("{on_failure}, {first} first");
        let text = playbook
            .replace("    hosts: canary", &format!("    hosts: \"{first}\""))
            .replace("on_failure: rollback", &format!("on_failure: {on_failure}"));
        std::fs::write(fleet.lab.playbook(), text).unwrap();
        let before = fleet.all_served();
        let config = fleet.lab.hosts[fails].nginx.config.clone();
        let whole = std::fs::read_to_string(&config).unwrap();
        fleet.lab.hosts.swap(0, fails);
        fleet.lab.break_canary(Break::Chain).unwrap();
        fleet.lab.hosts.swap(0, fails);
        let run = fleet.roll_out(&["--force"]).expect(code);
        std::fs::write(&config, whole).unwrap();

        assert_eq!(run.hosts(), outcomes, "{context}");
        assert_eq!(
            run.last()["outcome"],
            if code == 3 { "rolled_back" } else { "needs_attention" },
            "{context}"
        );
        let served = fleet.all_served();
        for host in 0..3 {
            let wanted = if outcomes[host] == "changed" { run.leaf() } else { before[host].clone() };
            assert_eq!(served[host], wanted, "{context}: host {host}");
        }
    }
    // Whatever was left where: one more rollout, and all are the same.
    let run = fleet.roll_out(&["--force"]).expect(0);
    assert_eq!(fleet.all_served(), [run.leaf(), run.leaf(), run.leaf()]);
}
