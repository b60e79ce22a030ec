//! Hosts that answer with what a terminal obeys.

use crate::support::Fleet;

/// Window title, clipboard, clear screen, C1, a direction mark, and a line that looks like certwave's own.
const WORDS: &str = r"\033]0;owned\007\033]52;c;ZXZpbA==\007\033[2J\302\233\062J\342\200\256txt\r12:00:00Z web01: proven\n12:00:00Z web02: proven\n";

fn assert_harmless(text: &str) {
    for c in text.chars() {
        let acts = c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
        assert!(!acts, "{c:?} in {text}");
    }
    assert!(!text.lines().any(|line| line.starts_with("12:00:00Z web")), "{text}");
}

/// What is shown while it runs, what is stored, and what is shown of that later.
#[test]
fn what_a_host_says_moves_no_cursor() {
    let fleet = Fleet::start(1);
    let words = WORDS.replace('\\', r"\\");
    fleet.edit(
        "nginx/nginx.conf\"}",
        &format!(
            "nginx/nginx.conf\", test: \"printf '{words}'; test ! -e '{{{{ root }}}}/etc/certwave/live'\"}}"
        ),
    );
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes", "-v"]);
    assert!(run.stderr.contains(r"\u{1b}]0;owned\u{7}"), "{}", run.stderr);
    assert_harmless(&(run.stdout.clone() + &run.stderr));
    let history = fleet.run(&["--output", "json", "history"]).expect(0);
    let id = history.lines()[0]["rollout"].as_str().unwrap_or_default().to_owned();
    for command in [vec!["show", &id, "-v"], vec!["audit"], vec!["history"], vec!["status", "playbook.yaml"]]
    {
        let shown = fleet.run(&command);
        assert_harmless(&(shown.stdout.clone() + &shown.stderr));
        let told = fleet.run(&[&["--output", "json"], &command[..]].concat());
        assert_harmless(&told.stdout);
    }
}
