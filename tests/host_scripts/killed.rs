//! Every script killed before each command that it runs, from every starting state. Afterwards nothing may be
//! half, and the same rollout tried again must come to its end.

use std::fs;
use std::path::{Path, PathBuf};

use certwave::install::{Activation, AlreadyKnown, Facts, FilePart, InstallSpec};

use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::support::{Call, Ended, Host, Shell, each_shell, finish, read, version};

/// Tools that change something, or stand between changes.
const WATCHED: [&str; 13] =
    ["awk", "cat", "chmod", "chown", "cp", "ln", "mkdir", "mv", "rm", "sha256sum", "sync", "tar", "touch"];

/// Puts a tool of the same name before each watched one. It counts its calls, and kills the whole script before
/// the one whose turn it is.
pub(crate) fn arm(host: &mut Host) {
    for tool in WATCHED {
        // read, echo and kill are the shell's own: nothing else is started.
        let count = format!(
            "read -r n <'{0}'; n=$((n-1)); echo $n >'{0}'\n[ $n != 0 ] || {{ kill -9 -$SCRIPT; kill -9 0; }}",
            host.file("left").display()
        );
        host.shim_in(&killers(host), tool, &format!("{count}\nexec \"$real\" \"$@\""));
    }
    // `timeout` makes a process group of its own: the script's is named, to be killed from there as well.
    host.login = "SCRIPT=$$; export SCRIPT; ".to_owned();
}

/// Where the watched tools are. What is not to be killed does without them, which takes half the processes.
pub(crate) fn killers(host: &Host) -> PathBuf {
    host.file("killers")
}

/// The host's next commands are counted, and the nth is its last one.
pub(crate) fn kill_before(host: &Host, n: u32) {
    fs::write(host.file("left"), format!("{n}\n")).unwrap();
}

/// Runs a script that is killed before its nth command; false when it came to its end before that.
pub(crate) fn killed(host: &Host, n: u32, call: &Call) -> bool {
    kill_before(host, n);
    let mut script = host.login_command_after(&[killers(host)], &call.script);
    let ended = finish(script.spawn().unwrap(), &call.input);
    let left = left(host);
    kill_before(host, 0);
    assert_eq!(left <= 0, ended.status == 137, "{}", ended.text());
    ended.status == 137
}

/// So many commands are left before the kill; none or fewer after it.
pub(crate) fn left(host: &Host) -> i64 {
    read(&host.file("left")).trim().parse().unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing was ever installed.
    Empty,
    /// Files that certwave did not make stand at the links.
    Foreign,
    /// Version 1 is live.
    Old,
    /// Version 2 is live already.
    New,
    /// Version 1 is live, 2 is there and damaged.
    Half,
}

impl Start {
    fn previous(self) -> bool {
        self != Start::Empty
    }

    fn host(self, shell: Shell) -> Host {
        let mut host = Host::new(shell).with_command();
        let certificate = host.link("a.crt", FilePart::Fullchain);
        let key = host.link("a.key", FilePart::Privkey);
        match self {
            Start::Empty => {}
            Start::Foreign => {
                fs::write(certificate, "one certificate\n").unwrap();
                fs::write(key, "one key\n").unwrap();
            }
            Start::Old | Start::New | Start::Half => {
                host.install(&version(1), None, "one");
                if self == Start::New {
                    host.install(&version(2), Some(&version(1)), "two");
                } else if self == Start::Half {
                    host.stage(&version(2), "two").unwrap();
                    fs::write(host.spec.layout.version(&version(2)).join("chain.pem").as_str(), "").unwrap();
                }
            }
        }
        arm(&mut host);
        host
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Stage,
    Activate,
    Rollback,
    Commit,
}

impl Step {
    fn call(self, host: &Host, previous: Option<&certwave::model::Version>) -> Call {
        match self {
            Step::Stage => host.task(&InstallSpec::stage(&version(2), &host.payload("two"), &host.own())),
            Step::Activate => {
                host.task(&InstallSpec::activate(&version(2), previous, None, &AlreadyKnown::default()))
            }
            Step::Rollback => host.task(&InstallSpec::rollback(&version(1), true)),
            Step::Commit => {
                host.task(&InstallSpec::commit(&host.live_version().unwrap(), previous, &[], false))
            }
        }
    }
}

/// What holds after any kill: whoever reads the links gets a certificate and the key that fits it.
fn assert_whole(host: &Host, start: Start, inspected: &Ended, context: &str) -> Facts {
    let content =
        |path: &Path| fs::read_to_string(path).ok().map(|text| text.split(' ').next().unwrap().to_owned());
    let pair = (content(&host.file("a.crt")), content(&host.file("a.key")));
    assert_eq!(pair.0, pair.1, "{context}");
    assert!(start == Start::Empty || pair.0.is_some(), "{context}: nothing is served");
    let facts = host.facts(inspected);
    if let Some(live) = host.live_version() {
        assert!(facts.complete.contains(&live), "{context}: live is not complete");
        assert_eq!(content(&host.live("fullchain.pem")), content(&host.live("privkey.pem")), "{context}");
    } else {
        assert!(matches!(start, Start::Empty | Start::Foreign), "{context}: live is gone");
    }
    facts
}

/// Every case with the commonest shell; with the others, each script from the state where it does most.
fn worth_it(shell: Shell, start: Start, step: Step) -> bool {
    match step {
        Step::Rollback if !start.previous() => false,
        _ if shell == Shell::Dash => true,
        Step::Stage => start == Start::Half,
        Step::Activate => matches!(start, Start::Foreign | Start::Old),
        Step::Rollback => start == Start::Old,
        Step::Commit => start == Start::Foreign,
    }
}

fn kill_everywhere(shell: Shell, start: Start) {
    if !shell.follows_path() {
        return;
    }
    for step in [Step::Stage, Step::Activate, Step::Rollback, Step::Commit] {
        if !worth_it(shell, start, step) {
            continue;
        }
        let mut host = start.host(shell);
        let previous = start.previous().then(|| version(1));
        // One that was never verified is to go.
        host.spec.keep = if start.previous() { 2 } else { 1 };
        host.stage(&version(3), "three").unwrap();
        if step != Step::Stage {
            host.stage(&version(2), "two").unwrap();
        }
        if matches!(step, Step::Rollback | Step::Commit) {
            assert_eq!(host.activate(&version(2), previous.as_ref()), Ok(Activation::Activated));
        }
        let call = step.call(&host, previous.as_ref());
        let paths = ["a.crt", "a.key", "reloads"].map(|name| host.file(name));
        let snapshot = Snapshot::of([vec![host.directory()], paths.to_vec()].concat());
        let mut n = 0;
        let mut was_killed = true;
        while was_killed {
            n += 1;
            assert!(n < 200, "the script never came to its end");
            let context = format!("{shell:?}, {start:?}, {step:?} killed before command {n}");
            snapshot.restore();
            was_killed = killed(&host, n, &call);
            // The commit of a first installation needs no command.
            let nothing = start == Start::Empty && step == Step::Commit;
            assert!(was_killed || n > 1 || nothing, "{context}: nothing was killed");
            // The same again, by a controller that inspects the host first.
            let mut session = Session::of(&host);
            assert_whole(&host, start, &session.first, &context);
            session.ask(&InstallSpec::stage(&version(2), &host.payload("two"), &host.own()));
            let again = if step == Step::Commit { None } else { previous.as_ref() };
            let task = InstallSpec::activate(&version(2), again, None, &AlreadyKnown::default());
            let activated = Activation::parse(&session.ask(&task).output(), &host.services);
            assert_eq!(activated, Ok(Activation::Activated), "{context}");
            assert_eq!(read(&host.file("a.key")), "two key\n", "{context}");
            let committed = session.ask(&InstallSpec::commit(&version(2), previous.as_ref(), &[], false));
            assert_eq!(committed.status, 0, "{context}: {}", committed.text());
            let facts = assert_whole(&host, start, &session.ask(&InstallSpec::inspect()), &context);
            session.end();
            let stay: Vec<_> = previous.iter().cloned().chain([version(2)]).collect();
            assert_eq!(facts.complete, stay, "{context}");
            let of_previous = format!("archive/a.test/{}/", version(1));
            let hidden = |path: &String| {
                (path.starts_with('.') || path.contains("/.")) && !path.starts_with(&of_previous)
            };
            let names: Vec<_> = host.tree().into_iter().filter(hidden).collect();
            let manifest = format!("archive/a.test/{}/.manifest", version(2));
            assert_eq!(names, ["archive/a.test/.history", &manifest], "{context}: leftovers");
            let beside = fs::read_dir(host.file("")).unwrap().map(|entry| entry.unwrap().file_name());
            assert_eq!(beside.filter(|name| name.to_str().unwrap().starts_with('.')).count(), 0, "{context}");
        }
    }
}

each_shell! {
    killed_where_files_of_others_stand: |shell| kill_everywhere(shell, Start::Foreign);
    killed_with_the_old_version_live: |shell| kill_everywhere(shell, Start::Old);
    killed_with_half_a_version: |shell| kill_everywhere(shell, Start::Half);
}

#[test]
fn killed_on_an_empty_host() {
    kill_everywhere(Shell::Dash, Start::Empty);
}

#[test]
fn killed_with_the_new_version_live() {
    kill_everywhere(Shell::Dash, Start::New);
}
