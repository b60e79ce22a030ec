//! What programs read: one JSON object a line, whatever happens, and a last one in any case.

use serde_json::Value;

use crate::{INVENTORY, PLAYBOOK, run, run_in};

fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// In an empty folder but for a playbook and its inventory.
fn json(playbook: &str, args: &[&str]) -> (i32, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("playbook.yaml"), playbook).unwrap();
    std::fs::write(folder.path().join("hosts.yaml"), INVENTORY).unwrap();
    let own = ["--output", "json", "-i", "hosts.yaml", "--state", "sqlite:state"];
    let (code, stdout, _) = run(folder.path(), &[args, &own].concat());
    (code, lines(&stdout))
}

#[test]
fn every_problem_has_its_place() {
    let wrong = PLAYBOOK.replace("nginx: {}", "nginx: {}, verify: {port: 99999, wrong: 1}");
    let (code, lines) = json(&wrong, &["check", "playbook.yaml"]);
    assert_eq!((code, lines.len()), (64, 1));
    let problems = lines[0]["problems"].as_array().unwrap();
    assert_eq!((lines[0]["event"].as_str(), lines[0]["exit_code"].as_u64()), (Some("error"), Some(64)));
    assert_eq!(problems.len(), 2, "{problems:?}");
    let first = &problems[0];
    assert_eq!(first["message"], "`99999` is not a port: write a number from 1 to 65535");
    assert_eq!((&first["file"], first["line"].as_u64()), (&"playbook.yaml".into(), Some(3)));
    assert!(first["column"].as_u64().is_some_and(|column| column > 1));
    let (code, lines) = json(PLAYBOOK, &["check", "playbook.yaml"]);
    assert_eq!((code, lines[0]["event"].as_str()), (0, Some("check.passed")));
}

#[test]
fn a_failure_is_the_last_line() {
    for (args, code, words) in [
        (&["rollout", "playbook.yaml"][..], 64, "Cannot ask for confirmation (no terminal). Use `--yes`."),
        (&["rollout", "missing.yaml", "--yes"], 64, "failed to read `missing.yaml`"),
        (&["rollback", "playbook.yaml", "--yes"], 1, "nothing of `api.example.com` was rolled out yet"),
        (&["show"], 64, "there is no rollout `last`"),
        (&["rolout"], 64, "unrecognized subcommand 'rolout'"),
        (&["check"], 64, "the following required arguments were not provided: <PLAYBOOK>..."),
    ] {
        let (ended, lines) = json(PLAYBOOK, args);
        let last = lines.last().unwrap_or_else(|| panic!("{args:?} printed nothing"));
        assert_eq!(ended, code, "{args:?} {last}");
        assert_eq!((&last["event"], &last["exit_code"]), (&"error".into(), &code.into()), "{args:?}");
        assert_eq!(last["message"], words, "{args:?}");
    }
}

#[test]
fn a_command_with_nothing_to_tell_has_a_last_line_too() {
    for args in [&["resume"][..], &["history"], &["certificates"], &["audit"]] {
        let (code, lines) = json(PLAYBOOK, args);
        assert_eq!(code, 0, "{args:?}");
        assert_eq!((lines.len(), &lines[0]["event"]), (1, &"finished".into()), "{args:?} {lines:?}");
    }
    let (code, lines) = json(PLAYBOOK, &["init", "new"]);
    assert_eq!(code, 0);
    assert!(lines.iter().all(|line| line["event"] == "init.wrote"), "{lines:?}");
}

#[test]
fn nothing_to_resume_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(folder.path(), &["resume"]);
    assert_eq!((code, stderr.as_str()), (0, "No unfinished rollout to resume.\n"));
}

#[test]
fn an_intact_journal_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(folder.path(), &["audit", "verify"]);
    assert_eq!((code, stdout.as_str()), (0, "Audit log intact: 0 events, none changed.\n"));
}

#[test]
fn log_lines_can_be_json_beside_results_for_people() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["resume"][..], &["show"]] {
        let flags = ["--log-format", "json"];
        let (_, stdout, stderr) = run_in(folder.path(), &[args, &flags].concat(), &[]);
        assert_eq!(stdout, "", "{args:?}");
        let lines = lines(&stderr);
        assert_eq!(lines.len(), 1, "{stderr}");
        assert!(lines[0]["time"].is_string() && lines[0]["event"].is_string(), "{stderr}");
    }
}

#[test]
fn a_log_in_json_has_mistakes_of_the_command_line_too() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["--log-format", "json", "check", "--wrong"]);
    assert_eq!((code, stdout.as_str()), (64, ""));
    let told = lines(&stderr);
    assert_eq!((told.len(), &told[0]["exit_code"]), (1, &64.into()));
    assert_eq!(told[0]["message"], "unexpected argument '--wrong' found");
}
