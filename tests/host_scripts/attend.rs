//! What the shell that attends a host reads: tasks, and what they are sent.

use std::os::unix::process::CommandExt;

use certwave::install::{FilePart, Input, InstallSpec, RemoteShells, Script, Task, login_line};
use certwave::model::Secret;

use crate::require;
use crate::session::Session;
use crate::support::{Host, SHELLS, Shell, body, finish, read, version};

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
        // Once the lock is taken: before, it would be refused.
        let blocked = "run cd \"$directory/archive\" && mv a.test ../elsewhere && : >a.test".to_owned();
        let blocked = Task { line: blocked, payload: None };
        let stage = InstallSpec::stage(&version(2), &host.payload(&"x".repeat(50_000)), &host.own());
        let answers = answers(&host, &[blocked, stage, InstallSpec::inspect()]);
        let statuses: Vec<u32> = answers.iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses, [0, 1, 0], "{shell:?}: {answers:?}");
        assert!(answers[1].0.contains("certwave:error unwritable"), "{shell:?}: {answers:?}");
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
        let pieces = attending.input.iter().map(|piece| piece.expose());
        let line = attending.first_line();
        let whole: Vec<u8> = [line.as_bytes()].into_iter().chain(pieces).flatten().copied().collect();
        let (first, second) = (line.len(), line.len() + attending.input[0].size());
        for size in [0, 1, first - 1, first, first + 1, second, whole.len() / 2, whole.len() - 2] {
            let ended = finish(host.login().spawn().unwrap(), &whole[..size]);
            assert_eq!(String::from_utf8_lossy(&ended.stdout), "", "{shell:?}, {size}");
        }
        assert!(!host.directory().exists(), "{shell:?}");
        let ended = finish(host.login().spawn().unwrap(), &whole);
        assert!(ended.text().contains("certwave:result inspected"), "{shell:?}: {}", ended.text());
    }
}

/// Its output, the rest of its input, and its words, by the shell that attends the host and by one of its own.
#[test]
fn a_script_has_its_own_input_and_tells_its_words_apart() {
    let script = Script::new().text("read -r one && echo \"one is $one\"; printf end; echo odd >&2; exit 5");
    let silent = Script::new().text("cat; echo nothing");
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        let mut session = Session::of(&host);
        let input = || Secret::new([b"first\n".as_slice(), &b"secret\n".repeat(20_000)].concat());
        let inspect = InstallSpec::inspect();
        for (task, status, printed, words) in [
            (Task::script(&script, Some(input())), 5, "one is first\nend", "odd\n"),
            (Task::script(&silent, None), 0, "nothing\n", "\n"),
        ] {
            let ended = session.ask(&task);
            let (stdout, stderr) = Task::streams(ended.stdout);
            let said = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
            assert_eq!((ended.status, said), (status, (printed.to_owned(), words.to_owned())), "{shell:?}");
            // Nothing of it is left for the next task.
            assert_eq!(session.ask(&inspect).status, 0, "{shell:?}");
        }
        session.end();
        let ended = host.run_with(&script, input().expose());
        let said = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert_eq!((ended.status, said), (5, ("one is first\nend".into(), "odd\n".into())), "{shell:?}");
        assert_eq!(host.run(&silent).text(), "nothing\n", "{shell:?}");
    }
}

#[test]
fn a_script_that_came_in_part_does_nothing() {
    for shell in SHELLS {
        let host = Host::new(shell);
        let script = Script::new().text("echo it ran\necho and went on");
        for input in [Input::None, Input::Follows] {
            let program = script.program(input);
            for size in [0, 9, program.len() - 30, program.rfind('}').unwrap()] {
                let ended = finish(host.login().spawn().unwrap(), &program.as_bytes()[..size]);
                assert_eq!(String::from_utf8_lossy(&ended.stdout), "", "{shell:?}, {size}");
            }
            let ended = finish(host.login().spawn().unwrap(), program.as_bytes());
            assert_eq!(ended.text(), "it ran\nand went on\n", "{shell:?}");
        }
    }
}

/// Shells that people log in with, which parse the command line; what it runs is `sh`.
#[test]
fn every_login_shell_reads_the_command_line_alike() {
    let script = Script::new().assign("word", "it's \\ !").text("printf '%s\\n' \"$word\"; exit 4");
    for shell in ["fish", "tcsh", "bash", "dash"] {
        if !require::program(shell) {
            continue;
        }
        let mut command = std::process::Command::new(shell);
        command.args(["-c", &login_line(None)]).process_group(0);
        let piped = std::process::Stdio::piped;
        command.stdin(piped()).stdout(piped()).stderr(piped());
        let ended = finish(command.spawn().unwrap(), script.program(Input::None).as_bytes());
        assert_eq!((ended.status, ended.text().as_str()), (4, "it's \\ !\n"), "{shell}");
    }
}
