//! What the shell that attends a host reads: tasks, and what they are sent.

use certwave::install::{FilePart, InstallSpec, RemoteShells, Task};
use certwave::model::Secret;

use crate::session::Session;
use crate::support::{Host, SHELLS, Shell, body, read, version};

/// What it says to several tasks, each told when the one before is over: the answer and its exit status.
fn answers(host: &Host, tasks: &[Task]) -> Vec<(String, u32)> {
    let mut session = Session::of(host);
    let first = &session.first;
    assert!(first.status == 0 && first.text().contains("certwave:result inspected"), "{}", first.text());
    let answers =
        tasks.iter().map(|task| session.ask(task)).map(|ended| (ended.text(), ended.status)).collect();
    session.end();
    answers
}

#[test]
fn what_a_task_is_sent_ends_where_the_next_task_begins() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        let stage = |content: &str| InstallSpec::stage(&version(2), &host.payload(content), &host.own());
        let mut changed = stage("two");
        let mut bytes = host.payload("two").bytes.expose().to_vec();
        // Of the first file, after the link and its own header.
        bytes[1024] ^= 1;
        changed.payload = Some(Secret::new(bytes));
        // Neither an archive nor text: a key, as it stands.
        let mut nonsense = stage("two");
        let key = body("two", FilePart::Privkey).repeat(5_000);
        nonsense.line =
            nonsense.line.replace(&host.payload("two").bytes.size().to_string(), &key.len().to_string());
        nonsense.payload = Some(Secret::new(key.into_bytes()));
        let inspect = InstallSpec::inspect;
        let tasks =
            [inspect(), nonsense, inspect(), changed, inspect(), stage("two"), stage("two"), inspect()];
        let answers = answers(&host, &tasks);
        let statuses: Vec<u32> = answers.iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses, [0, 1, 0, 1, 0, 0, 0, 0], "{shell:?}: {answers:?}");
        assert!(answers[1].0.contains("certwave:error unpack"), "{shell:?}: {answers:?}");
        assert!(answers[5].0.contains("certwave:result staged"), "{shell:?}: {answers:?}");
        assert!(answers[6].0.contains("certwave:result already"), "{shell:?}: {answers:?}");
        assert!(answers[7].0.contains(&format!("certwave:version {}", version(2))), "{shell:?}: {answers:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_leaves_nothing_of_the_upload_to_be_read_as_a_task() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        let blocked = host.directory().join("archive/a.test");
        std::fs::rename(&blocked, host.file("elsewhere")).unwrap();
        std::fs::write(&blocked, "in the way").unwrap();
        let stage = InstallSpec::stage(&version(2), &host.payload(&"x".repeat(50_000)), &host.own());
        let answers = answers(&host, &[stage, InstallSpec::inspect()]);
        let statuses: Vec<u32> = answers.iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses, [1, 0], "{shell:?}: {answers:?}");
        assert!(answers[0].0.contains("certwave:error unwritable"), "{shell:?}: {answers:?}");
    }
}

#[test]
fn however_a_task_ends_it_is_told_once_and_the_next_one_is_done() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.lend("flock");
        let ends = [
            ("say it went; exit 3", 3, "certwave:it went"),
            ("say it went; false", 1, "certwave:it went"),
            ("say it went", 0, "certwave:it went"),
            // What it kept goes with it.
            ("say lost; read -r me rest </proc/self/stat; kill -9 \"$me\"", 137, ""),
            ("say it went; begin; exit 4", 4, "certwave:it went"),
        ];
        let task = |line: &str| Task { line: format!("run {line}"), payload: None };
        let tasks: Vec<Task> = ends.iter().map(|(line, ..)| task(line)).collect();
        let expected: Vec<(String, u32)> =
            ends.iter().map(|(_, status, said)| ((*said).to_owned(), *status)).collect();
        let said = |tasks| -> Vec<(String, u32)> {
            let answers = answers(&host, tasks).into_iter();
            answers.map(|(said, status)| (said.trim().to_owned(), status)).collect()
        };
        assert_eq!(said(&tasks), expected, "{shell:?}");
        // What a killed one left may still run: whoever comes next is told, and who comes then.
        let lock = host.directory().join(".lock");
        for _ in 0..2 {
            assert!(read(&lock).starts_with("rollout 1\n"), "{shell:?}");
            said(&tasks[..3]);
        }
    }
}

#[test]
fn dash_reads_its_script_without_a_process() {
    let mut host = Host::new(Shell::Dash).with_command();
    host.shim("head", "exit 1");
    assert_eq!(answers(&host, &[]), []);
}

#[test]
fn what_is_no_task_is_neither_run_nor_shown() {
    for shell in SHELLS {
        let host = Host::new(shell);
        let run = host.file("run");
        let call = host.task(&InstallSpec::inspect());
        for line in [format!("touch '{}'", run.display()), "-----BEGIN PRIVATE KEY-----".to_owned()] {
            let input = [format!("{line}\n").into_bytes(), call.input.clone()].concat();
            let ended = host.run_with(&call.script, &input);
            assert_eq!((ended.status, ended.text().as_str()), (1, "certwave:locked\n"), "{shell:?}");
        }
        assert!(!run.exists(), "{shell:?}");
    }
}

#[test]
fn a_shell_whose_script_came_in_part_does_nothing() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        let attending = RemoteShells::new("me", []).attend(&host.spec, &[], Some(&InstallSpec::inspect()));
        let whole: Vec<u8> = attending.input.iter().flat_map(|piece| piece.expose()).copied().collect();
        for size in [0, 1, attending.input[0].size(), whole.len() / 2, whole.len() - 2] {
            let ended = host.run_with(&attending.loader(), &whole[..size]);
            assert_eq!(String::from_utf8_lossy(&ended.stdout), "", "{shell:?}, {size}");
        }
        assert!(!host.directory().exists(), "{shell:?}");
        let ended = host.run_with(&attending.loader(), &whole);
        assert!(ended.text().contains("certwave:result inspected"), "{shell:?}: {}", ended.text());
    }
}
